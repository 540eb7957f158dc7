//! Microkit system descriptions: parse, check, compile, draw.
