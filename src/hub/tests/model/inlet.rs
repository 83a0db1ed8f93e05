use super::super::*;

/// What the bytes of one connection become.
pub(super) struct Inlet {
    /// Of a gzip stream, behind its header.
    inflate: Option<flate2::Decompress>,
    header_left: usize,
}

impl Inlet {
    pub(super) fn new(gzip: bool) -> Self {
        Self {
            inflate: gzip.then(|| flate2::Decompress::new(false)),
            header_left: 10,
        }
    }

    /// Every chunk can be read whole as soon as it is there.
    pub(super) fn take(&mut self, chunk: &[u8]) -> Vec<Event> {
        let Some(inflate) = &mut self.inflate else {
            return unpacked(parse(chunk));
        };
        let header = self.header_left.min(chunk.len());
        self.header_left -= header;
        let mut text = Vec::with_capacity(1 << 20);
        inflate
            .decompress_vec(&chunk[header..], &mut text, flate2::FlushDecompress::Sync)
            .expect("deflate");
        unpacked(parse(&text))
    }
}

/// Events as if they had come one by one.
fn unpacked(events: Vec<Event>) -> Vec<Event> {
    let mut all = Vec::new();
    for event in events {
        let Value::Array(entries) = &event.data else {
            all.push(event);
            continue;
        };
        assert_eq!(event.name, "batch");
        let last = entries.last().expect("a batch has events");
        assert_eq!(last["id"].as_str(), event.id.as_deref());
        all.extend(entries.iter().map(|entry| Event {
            name: entry["event"].as_str().expect("a name").to_owned(),
            id: entry["id"].as_str().map(str::to_owned),
            data: entry["data"].clone(),
        }));
    }
    all
}
