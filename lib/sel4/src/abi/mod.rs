//! What differs between kernels. One module per kernel, one line selects.
//!
//! Each module provides, under the same names:
//! - the system calls as functions over [`Registers`](v5::Registers): `call`,
//!   `send`, `nb_send`, `recv`, `reply_recv`, `vm_enter`, `yield_now`,
//!   `debug_put_char`;
//! - [`numbers`](v5::numbers): invocation labels, object types, the IPC
//!   buffer's layout, made from the kernel's own interface description;
//! - `badge`: how a protection domain tells a notification, a call and a fault
//!   apart;
//! - `IPC_BUFFER`: where a protection domain's IPC buffer is mapped.

pub mod v5;

pub use v5 as current;
