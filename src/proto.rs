//! Wire formats: bytes to types and back, without IO, clock or logging.

pub mod charset;
pub mod criteria;
pub mod deploy;
pub mod envelope;
pub mod php;
pub mod phpjson;
pub mod query;
pub mod text;
pub mod xml;
