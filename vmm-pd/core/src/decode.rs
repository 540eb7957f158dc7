//! Instruction decoding for memory-mapped I/O.
