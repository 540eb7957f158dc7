//! Boot information, object allocation and start-up for an initial task.
#![no_std]
