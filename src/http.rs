//! The agents' addresses: decode, call, encode.
