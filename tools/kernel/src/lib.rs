//! Fetches, patches and builds the embedded seL4 kernel.
