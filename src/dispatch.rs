//! What happens on an agent's request, one use case a file.
