//! A gzip stream made of parts that every stream shares.
//!
//! A *segment* is deflate data that refers to nothing before it and ends on a byte boundary, so that it can be appended to
//! any reader's stream: no encoder is kept for a connection. What a stream needs of its own is a header, the checksum of
//! everything sent, and a trailer. Checksums of segments are combined, not computed again (CRC-32 is linear).

use std::cell::RefCell;

use bytes::{BufMut as _, Bytes, BytesMut};
use flate2::{Compress, Compression, Crc, FlushCompress};

/// Texts shorter than this aren't worth compressing for one reader.
const WORTH_COMPRESSING: usize = 200;
/// Longest stored block that deflate has.
const STORED_LIMIT: usize = 65_535;
/// CRC-32's polynomial, reflected.
const POLYNOMIAL: u32 = 0xedb8_8320;
/// x^0 as CRC-32 writes polynomials.
const ONE: u32 = 1 << 31;
/// x^8.
const EIGHT_BITS: u32 = 1 << 23;

/// A header without name, time and extras.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// An empty last block.
const LAST_BLOCK: [u8; 2] = [3, 0];

/// Deflate data that can stand anywhere in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    bytes: Bytes,
    crc: u32,
    /// Length of the text, modulo 2^32 as gzip counts it.
    length: u32,
    /// x^(8 * length): what a checksum is multiplied by when this text is appended.
    shift: u32,
}

impl Segment {
    /// Compresses `text`.
    pub(super) fn compress(text: &[u8]) -> Self {
        thread_local! {
            // Its tables are large; they are made once for each thread.
            static ENCODER: RefCell<Compress> = RefCell::new(Compress::new(Compression::default(), false));
        }
        let bytes = ENCODER.with_borrow_mut(|encoder| {
            encoder.reset();
            deflate(encoder, text)
        });
        match bytes {
            Some(bytes) => Self::with(bytes.into(), text),
            None => Self::store(text),
        }
    }

    /// `text` uncompressed, in stored blocks.
    fn store(text: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(text.len() + 5 * text.len().div_ceil(STORED_LIMIT));
        for block in text.chunks(STORED_LIMIT) {
            let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
            bytes.put_u8(0);
            bytes.put_u16_le(length);
            bytes.put_u16_le(!length);
            bytes.put_slice(block);
        }
        Self::with(bytes.freeze(), text)
    }

    /// `text` that is sent to one reader alone.
    pub(super) fn once(text: &[u8]) -> Self {
        if text.len() < WORTH_COMPRESSING {
            Self::store(text)
        } else {
            Self::compress(text)
        }
    }

    fn with(bytes: Bytes, text: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(text);
        Self {
            bytes,
            crc: crc.sum(),
            length: crc.amount(),
            shift: power(EIGHT_BITS, text.len()),
        }
    }

    /// Several segments as one.
    pub(super) fn concat<'a>(segments: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let mut bytes =
            BytesMut::with_capacity(segments.clone().map(|segment| segment.bytes.len()).sum());
        let mut whole = Self {
            bytes: Bytes::new(),
            crc: 0,
            length: 0,
            shift: ONE,
        };
        for segment in segments {
            bytes.put_slice(&segment.bytes);
            whole.crc = append(whole.crc, segment);
            whole.length = whole.length.wrapping_add(segment.length);
            whole.shift = multiply(whole.shift, segment.shift);
        }
        whole.bytes = bytes.freeze();
        whole
    }
}

/// The state of one reader's gzip stream.
#[derive(Debug, Default)]
pub(super) struct GzipStream {
    started: bool,
    crc: u32,
    length: u32,
}

impl GzipStream {
    /// The bytes that carry `segment` to the reader.
    pub(super) fn send(&mut self, segment: &Segment) -> Bytes {
        self.crc = append(self.crc, segment);
        self.length = self.length.wrapping_add(segment.length);
        if self.started {
            return segment.bytes.clone();
        }
        self.started = true;
        let mut bytes = BytesMut::with_capacity(HEADER.len() + segment.bytes.len());
        bytes.put_slice(&HEADER);
        bytes.put_slice(&segment.bytes);
        bytes.freeze()
    }

    /// The bytes that end the stream.
    pub(super) fn finish(&mut self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(20);
        if !self.started {
            bytes.put_slice(&HEADER);
        }
        bytes.put_slice(&LAST_BLOCK);
        bytes.put_u32_le(self.crc);
        bytes.put_u32_le(self.length);
        bytes.freeze()
    }
}

/// `None` if the encoder behaves differently than documented.
fn deflate(encoder: &mut Compress, text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 2 + 64);
    loop {
        let taken = usize::try_from(encoder.total_in()).ok()?;
        encoder
            .compress_vec(&text[taken..], &mut bytes, FlushCompress::Sync)
            .ok()?;
        if encoder.total_in() == text.len() as u64 && bytes.len() < bytes.capacity() {
            // The flush ends with an empty stored block: everything before it has been written.
            return bytes.ends_with(&[0, 0, 0xff, 0xff]).then_some(bytes);
        }
        bytes.reserve(bytes.capacity());
    }
}

/// The checksum of a text with checksum `crc`, followed by the segment's text.
fn append(crc: u32, segment: &Segment) -> u32 {
    multiply(crc, segment.shift) ^ segment.crc
}

/// Product of two polynomials modulo CRC-32's.
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    let mut bit = ONE;
    while bit != 0 {
        if a & bit != 0 {
            product ^= b;
        }
        bit >>= 1;
        b = (b >> 1) ^ if b & 1 == 1 { POLYNOMIAL } else { 0 };
    }
    product
}

/// `base` to the power of `exponent`.
fn power(mut base: u32, mut exponent: usize) -> u32 {
    let mut result = ONE;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = multiply(result, base);
        }
        base = multiply(base, base);
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Part {
        Shared(Vec<u8>),
        Joined(Vec<Vec<u8>>),
        Once(Vec<u8>),
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..400),
            "(data: \\{\"id\":\"ORD[0-9]{1,3}\"\\}\n\n){0,60}".prop_map(String::into_bytes),
        ]
    }

    fn part() -> impl Strategy<Value = Part> {
        prop_oneof![
            text().prop_map(Part::Shared),
            prop::collection::vec(text(), 0..4).prop_map(Part::Joined),
            text().prop_map(Part::Once),
        ]
    }

    proptest! {
        #[test]
        fn parts_in_any_order_are_one_stream(parts in prop::collection::vec(part(), 0..8)) {
            let mut stream = GzipStream::default();
            let (mut sent, mut expected) = (Vec::new(), Vec::new());
            let mut reader = flate2::Decompress::new(false);
            let mut read = Vec::with_capacity(200_000);
            for part in parts {
                let (segment, text) = match part {
                    Part::Shared(text) => (Segment::compress(&text), text),
                    Part::Once(text) => (Segment::once(&text), text),
                    Part::Joined(texts) => {
                        let segments: Vec<_> = texts.iter().map(|text| Segment::compress(text)).collect();
                        (Segment::concat(segments.iter()), texts.concat())
                    }
                };
                sent.extend_from_slice(&stream.send(&segment));
                expected.extend_from_slice(&text);
                // What was sent can be read before anything else comes.
                let taken = HEADER.len() + usize::try_from(reader.total_in()).expect("small");
                reader.decompress_vec(&sent[taken..], &mut read, flate2::FlushDecompress::Sync).expect("gzip");
                prop_assert_eq!(&read, &expected);
            }
            sent.extend_from_slice(&stream.finish());
            let mut whole = Vec::new();
            // Checks the checksum and the length as well.
            flate2::read::GzDecoder::new(&*sent).read_to_end(&mut whole).expect("a whole gzip stream");
            prop_assert_eq!(whole, expected);
        }
    }

    #[test]
    fn long_texts_are_stored_and_compressed_whole() {
        let noise: Vec<u8> = (0..200_000_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect();
        for segment in [Segment::store(&noise), Segment::compress(&noise)] {
            let mut stream = GzipStream::default();
            let sent = [stream.send(&segment), stream.finish()].concat();
            let mut read = Vec::new();
            flate2::read::GzDecoder::new(&*sent)
                .read_to_end(&mut read)
                .expect("a whole gzip stream");
            assert!(read == noise);
        }
    }
}
