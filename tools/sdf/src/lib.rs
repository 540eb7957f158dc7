//! Microkit system descriptions: parse, check, compile, draw.
//!
//! A description is the Microkit's System Description File, unchanged: what
//! the Microkit's tool rejects is rejected here, with file, line, column,
//! rule and cure. What a [`Board`] cannot do is a named error, what it accepts
//! without acting on it a note.
//!
//! It is stricter where that tool (2.3.0) crashes or lets through what cannot
//! work: an unknown `region_paddr`, a child's number above 61, a second virtual
//! CPU, a region of no bytes, ports above 0xffff, one interrupt pin twice, a
//! channel of a domain with itself under one number, a scheduling domain above
//! the kernel's last, text and elements inside elements that hold none, and
//! names that a status line cannot carry.
//!
//! [`parse()`] gives a [`System`], whose holding proves that the rules hold.
//! [`compile`](compile()) turns it and the program images into what the
//! initial task realises. [`edit`] derives a description from another.
//! [`configuration`] reads what a description has no place for.
//! [`authority_markdown`] and [`topology_svg`] show who may touch what.
#![forbid(unsafe_code)]

mod authority;
mod board;
mod check;
mod compile;
pub mod configuration;
pub mod edit;
mod files;
mod model;
mod parse;
mod problem;
mod rule;
mod source;
mod topology;

pub use authority::authority_markdown;
pub use board::{Board, Reserved, Support};
pub use compile::{Compiled, compile};
pub use files::{FileSize, Files, NotBuilt, SearchPath};
pub use model::*;
pub use parse::{Parsed, parse};
pub use problem::{Problem, Problems, render};
pub use rule::{Rule, Weight};
pub use source::{At, Source, Span};
pub use topology::topology_svg;
