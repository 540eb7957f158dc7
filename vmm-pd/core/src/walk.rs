//! The guest's page tables.
