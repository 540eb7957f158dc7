//! Rules for CR0, CR4, CR8, XCR0 and EFER.
