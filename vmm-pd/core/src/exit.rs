//! Every VM exit as an enum, parsed once from the message registers.
