//! The form of a record, without IO.
//!
//! | Bytes | What |
//! |---|---|
//! | 0 to 7 | the mark of the segment, which its name tells: random, so that no body can hold what passes for a record |
//! | 8 | version, 1 |
//! | 9 | what it is: 1 a message, 2 the seal of a segment, 3 a move |
//! | 10, 11 | 0 |
//! | 12 to 15 | length of the meta part, bytes |
//! | 16 to 19 | length of the body, bytes |
//! | 20 to 23 | CRC-32 of the meta part |
//! | 24 to 27 | CRC-32 of the body |
//! | 28 to 31 | CRC-32 of all before |
//!
//! Numbers are little-endian. The meta part (JSON) and the body follow. A head whose checksum holds tells how far the record reaches, so
//! that damage in it costs this record alone; where a head is damaged the next mark is looked for.

/// Length of a head.
pub(super) const HEAD: usize = 32;
/// Longest meta part: what is longer is damage.
pub(super) const MAX_META: u32 = 1 << 20;
const VERSION: u8 = 1;

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Message = 1,
    Seal = 2,
    Move = 3,
}

/// What all records of a segment begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark(pub(super) u64);

/// The head of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) what: Type,
    pub(super) meta: u32,
    pub(super) body: u32,
    pub(super) meta_sum: u32,
    pub(super) body_sum: u32,
}

impl Head {
    /// The head of a record of these parts; nothing if one is too long for it.
    pub(super) fn of(what: Type, meta: &[u8], body: &[u8]) -> Option<Self> {
        let length = u32::try_from(meta.len()).ok()?;
        (length <= MAX_META).then_some(())?;
        Some(Self {
            what,
            meta: length,
            body: u32::try_from(body.len()).ok()?,
            meta_sum: crc32fast::hash(meta),
            body_sum: crc32fast::hash(body),
        })
    }

    pub(super) fn encode(&self, mark: Mark) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&mark.0.to_le_bytes());
        bytes[8] = VERSION;
        bytes[9] = self.what as u8;
        bytes[12..16].copy_from_slice(&self.meta.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.body.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.meta_sum.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.body_sum.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..28]);
        bytes[28..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The head that `bytes` are, if they are one of a segment with `mark`.
    pub(super) fn decode(bytes: &[u8; HEAD], mark: Mark) -> Option<Self> {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        if bytes[..8] != mark.0.to_le_bytes()
            || bytes[8] != VERSION
            || bytes[10..12] != [0, 0]
            || word(28) != crc32fast::hash(&bytes[..28])
        {
            return None;
        }
        let what = match bytes[9] {
            1 => Type::Message,
            2 => Type::Seal,
            3 => Type::Move,
            _ => return None,
        };
        let head = Self {
            what,
            meta: word(12),
            body: word(16),
            meta_sum: word(20),
            body_sum: word(24),
        };
        (head.meta <= MAX_META).then_some(head)
    }

    /// Length of the whole record.
    pub(super) fn length(&self) -> u64 {
        HEAD as u64 + u64::from(self.meta) + u64::from(self.body)
    }

    /// Where the body begins, from the beginning of the record.
    pub(super) fn body_at(&self) -> u64 {
        HEAD as u64 + u64::from(self.meta)
    }
}

/// Adds a record to `buffer`; `false` if a part is too long for one.
pub(super) fn put(
    buffer: &mut Vec<u8>,
    mark: Mark,
    what: Type,
    meta: &[u8],
    body: &[u8],
) -> Option<Head> {
    let head = Head::of(what, meta, body)?;
    buffer.extend_from_slice(&head.encode(mark));
    buffer.extend_from_slice(meta);
    buffer.extend_from_slice(body);
    Some(head)
}
