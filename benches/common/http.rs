use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use anyhow::Context as _;

/// A connection that is kept, for requests one after the other.
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
    /// The cookies that the last answer has set, as a browser sends them.
    pub(crate) cookies: String,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
            line: String::new(),
            cookies: String::new(),
            body: Vec::new(),
        })
    }

    /// The other end of the same connection, for requests that don't wait for answers.
    pub(crate) fn writer(&self) -> anyhow::Result<TcpStream> {
        Ok(self.stream.get_ref().try_clone()?)
    }

    /// Sends a request, and answers with the status; the body is kept until the next.
    pub(crate) fn ask(&mut self, request: &str) -> anyhow::Result<u16> {
        self.stream.get_mut().write_all(request.as_bytes())?;
        self.answer()
    }

    pub(crate) fn answer(&mut self) -> anyhow::Result<u16> {
        self.next_line()?;
        let status = self
            .line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .with_context(|| format!("{:?} is no answer", self.line))?;
        let mut length = 0;
        self.cookies.clear();
        loop {
            self.next_line()?;
            let Some((name, value)) = self.line.split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
            if name.eq_ignore_ascii_case("set-cookie") {
                let cookie = value.split(';').next().unwrap_or_default();
                if !self.cookies.is_empty() {
                    self.cookies.push_str("; ");
                }
                self.cookies.push_str(cookie.trim());
            }
        }
        self.body.resize(length, 0);
        self.stream.read_exact(&mut self.body)?;
        Ok(status)
    }

    fn next_line(&mut self) -> anyhow::Result<()> {
        self.line.clear();
        self.stream.read_line(&mut self.line)?;
        Ok(())
    }
}

/// A POST of JSON.
pub(crate) fn post(path: &str, headers: &str, body: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
