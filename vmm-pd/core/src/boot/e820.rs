//! The memory map handed to a guest.
