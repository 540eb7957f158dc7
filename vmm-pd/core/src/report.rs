//! What is said of a guest that is stopped.
