//! The protection_domain attribute.
