//! The `#[protection_domain]` attribute of `sel4-microkit`.

use proc_macro::{TokenStream, TokenTree};

/// Marks the protection domain's initialisation function: no arguments,
/// returns a `Handler`.
#[proc_macro_attribute]
pub fn protection_domain(attributes: TokenStream, item: TokenStream) -> TokenStream {
    if !attributes.is_empty() {
        return error(
            "protection_domain takes no arguments: the system description sets the stack",
        );
    }
    let mut tokens = item.clone().into_iter();
    let is_fn = |t: &TokenTree| matches!(t, TokenTree::Ident(i) if i.to_string() == "fn");
    let Some(_) = tokens.find(is_fn) else {
        return error("protection_domain marks a function");
    };
    let Some(TokenTree::Ident(name)) = tokens.next() else {
        return error("protection_domain marks a function with a name");
    };
    let declaration = format!("::sel4_microkit::declare_protection_domain!({name});");
    let mut out: TokenStream = declaration.parse().expect("a macro call of one identifier parses");
    out.extend(item);
    out
}

fn error(message: &str) -> TokenStream {
    format!("compile_error!({message:?});").parse().expect("a string literal parses")
}
