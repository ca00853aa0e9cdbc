//! What holds whatever happens in whatever order; what does happen is chosen at random, from a seed that is printed.

#[path = "properties/interleavings.rs"]
mod interleavings;
#[path = "properties/slots.rs"]
mod slots;
