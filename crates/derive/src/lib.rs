//! The derive macros of typed objects: [`EchoObject`](macro@EchoObject) for what is an object of
//! its own, [`JsonSchema`](macro@JsonSchema) for what stands inside one.
//!
//! Programs get both from `dxos_client`, which has the traits of the same names too. Nothing but
//! `dxos-client` and `serde` has to stand in their `Cargo.toml`:
//!
//! ```text
//! use dxos_client::{EchoObject, JsonSchema};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, EchoObject)]
//! #[echo(type = "example.com/type/Task", version = "0.1.0")]
//! struct Task { title: String, place: Option<Place> }
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! struct Place { city: String }
//! ```
//!
//! It is no place for logic: what the traits mean is in `dxos-schema`.

mod mirror;
mod options;

use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, parse_macro_input};

use options::Options;

/// Makes a struct with named fields a type of objects: its name, its version and its JSON
/// Schema.
///
/// | `#[echo(...)]` | meaning | without it |
/// | --- | --- | --- |
/// | `type = "example.com/type/Task"` | the name of the type | package and struct: `my-app/Task` |
/// | `version = "1.0.0"` | its version; raise it when the meaning of a field changes | `0.1.0` |
/// | `text` | spaces keep which words are in all its texts, for searches | they read the texts |
/// | `own_schema` | the type implements `JsonSchema` itself | it is derived |
/// | `crate = "path"` | where the traits are | `::dxos_client` |
///
/// At a field, `#[echo(required)]` says that what its references refer to has to exist: who
/// writes one whose target was never created here, or is deleted, is refused.
///
/// `#[echo(index)]` at a field has spaces keep the objects of the type in the order of that field,
/// so that queries on it, and in its order, need not look at all of them. `#[echo(text)]` at a
/// field has them keep which words are in its texts.
///
/// The name and the version are written into every object: give a name of your own before
/// others get to see them. The attributes of `serde` and of `schemars` work as ever.
#[proc_macro_derive(EchoObject, attributes(echo, schemars, serde))]
pub fn derive_echo_object(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    echo_object(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Gives a type that stands inside objects its JSON Schema, as the derive macro of `schemars`
/// does, without `schemars` in the `Cargo.toml` of the program. `#[echo(crate = "path")]` says
/// where it is found, `::dxos_client` if absent.
#[proc_macro_derive(JsonSchema, attributes(echo, schemars, serde))]
pub fn derive_json_schema(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    Options::read(&input.attrs)
        .and_then(|options| mirror::json_schema(&input, &options.root, options.text))
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

fn echo_object(input: &DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let named =
        matches!(&input.data, Data::Struct(data) if matches!(data.fields, Fields::Named(_)));
    if !named {
        return Err(syn::Error::new_spanned(
            &input.ident,
            "an object has named properties: derive EchoObject for a struct with named fields, \
             and JsonSchema for what stands inside one",
        ));
    }
    if !input.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &input.generics,
            "a type of objects has one name, so it cannot be generic",
        ));
    }
    let Options {
        root,
        type_name,
        version,
        own_schema,
        text,
    } = Options::read(&input.attrs)?;
    let name = &input.ident;
    let type_name = type_name.map_or_else(
        || {
            let short = name.to_string();
            quote!(::core::concat!(::core::env!("CARGO_PKG_NAME"), "/", #short))
        },
        |type_name| quote!(#type_name),
    );
    let version = version.unwrap_or_else(|| String::from("0.1.0"));
    let schema = if own_schema {
        proc_macro2::TokenStream::new()
    } else {
        mirror::json_schema(input, &root, text)?
    };
    Ok(quote! {
        #schema

        #[automatically_derived]
        impl #root::EchoObject for #name {
            const TYPE: &'static str = #type_name;
            const VERSION: &'static str = #version;
        }
    })
}
