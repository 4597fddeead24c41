//! Versioned codec, frames and every limit on input from outside.
