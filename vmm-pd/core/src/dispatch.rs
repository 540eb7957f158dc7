//! The one match: exit to outcome.
