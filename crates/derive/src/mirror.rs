//! The schema of a type, through a private copy of it.
//!
//! The derive macro of `schemars` finds its crate by name. Here it is applied to a copy of the
//! type in a scope where that name is bound, so that a program need not depend on `schemars`.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Meta, Path, Token};

use crate::options;

/// Implements `JsonSchema` of the crate at `root` for a type.
///
/// `is_text`: all its texts are to be searched.
pub(crate) fn json_schema(
    input: &DeriveInput,
    root: &Path,
    is_text: bool,
) -> syn::Result<TokenStream> {
    let name = &input.ident;
    let shown = name.to_string();
    let mut copy = input.clone();
    copy.ident = Ident::new("Mirror", Span::call_site());
    copy.vis = syn::Visibility::Inherited;
    let default = container_default(&mut copy.attrs)?;
    for_all_fields(&mut copy, &mut |field| {
        let options = options::of_field(&field.attrs)?;
        let says: [(bool, Attribute); 3] = [
            (
                options.required,
                syn::parse_quote!(#[schemars(extend("x-echo-required" = true))]),
            ),
            (
                options.index,
                syn::parse_quote!(#[schemars(extend("x-echo-index" = true))]),
            ),
            (
                options.text,
                syn::parse_quote!(#[schemars(extend("x-echo-text" = true))]),
            ),
        ];
        let says = says.into_iter().filter(|(is_said, _)| *is_said);
        field.attrs.extend(says.map(|(_, attribute)| attribute));
        Ok(())
    })?;
    for_all_attributes(&mut copy, &mut |attributes| {
        attributes.retain(|attribute| {
            let path = attribute.path();
            ["cfg", "cfg_attr", "doc", "schemars", "serde"]
                .iter()
                .any(|kept| path.is_ident(kept))
        });
    });
    for_all_fields(&mut copy, &mut |field| {
        // Of the type itself, not of its copy.
        let types = input.generics.split_for_impl().1;
        let named = of_self(field.ty.to_token_stream(), &quote!(#name #types));
        field.ty = syn::parse2(named)?;
        Ok(())
    })?;
    if is_text {
        copy.attrs
            .push(syn::parse_quote!(#[schemars(extend("x-echo-text" = true))]));
    }
    let default = default
        .map(|default| default_of(&copy, name, default))
        .transpose()?;
    let renamed = copy.attrs.iter().any(says_rename);
    let rename = (!renamed).then(|| quote!(#[schemars(rename = #shown)]));
    let mut generics = input.generics.clone();
    let params: Vec<_> = generics
        .type_params()
        .map(|param| param.ident.clone())
        .collect();
    let clause = generics.make_where_clause();
    for param in &params {
        clause
            .predicates
            .push(syn::parse_quote!(#param: schemars::JsonSchema));
    }
    let (impl_generics, types, clause) = generics.split_for_impl();
    let mirror = quote!(<Mirror #types as schemars::JsonSchema>);
    Ok(quote! {
        const _: () = {
            #[allow(unused_imports)]
            use #root::__private::schemars;

            #[allow(dead_code, missing_docs, clippy::all, clippy::pedantic)]
            #[derive(schemars::JsonSchema)]
            #rename
            #copy

            #default

            #[automatically_derived]
            impl #impl_generics schemars::JsonSchema for #name #types #clause {
                fn schema_name() -> ::std::borrow::Cow<'static, str> {
                    #mirror::schema_name()
                }

                fn schema_id() -> ::std::borrow::Cow<'static, str> {
                    #mirror::schema_id()
                }

                fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    #mirror::json_schema(generator)
                }

                fn inline_schema() -> bool {
                    #mirror::inline_schema()
                }
            }
        };
    })
}

/// Where the default of a whole type comes from.
enum ContainerDefault {
    /// `Default`.
    Trait,
    /// A function.
    Function(Path),
}

/// Reads `#[serde(default)]` of a type, and turns `default = "path"` into `default`: what the
/// function makes is no copy.
fn container_default(attributes: &mut [Attribute]) -> syn::Result<Option<ContainerDefault>> {
    let mut found = None;
    for attribute in attributes {
        if !attribute.path().is_ident("serde") {
            continue;
        }
        let Ok(list) = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        else {
            continue;
        };
        let mut kept: Punctuated<Meta, Token![,]> = Punctuated::new();
        for meta in list {
            match &meta {
                Meta::Path(path) if path.is_ident("default") => {
                    found = Some(ContainerDefault::Trait);
                    kept.push(meta);
                }
                Meta::NameValue(pair) if pair.path.is_ident("default") => {
                    let path = syn::parse2::<syn::LitStr>(pair.value.to_token_stream())?;
                    found = Some(ContainerDefault::Function(path.parse()?));
                    kept.push(syn::parse_quote!(default));
                }
                _ => kept.push(meta),
            }
        }
        *attribute = syn::parse_quote!(#[serde(#kept)]);
    }
    Ok(found)
}

/// The default of the copy, out of the default of the type.
fn default_of(
    copy: &DeriveInput,
    name: &Ident,
    default: ContainerDefault,
) -> syn::Result<TokenStream> {
    let Data::Struct(data) = &copy.data else {
        return Ok(TokenStream::new());
    };
    let Fields::Named(fields) = &data.fields else {
        let message =
            "serde(default) on a tuple struct is not supported here; put it on its fields";
        return Err(syn::Error::new_spanned(name, message));
    };
    let fields: Vec<_> = fields
        .named
        .iter()
        .filter_map(|field| field.ident.as_ref())
        .collect();
    let (impl_generics, types, clause) = copy.generics.split_for_impl();
    let value = match default {
        ContainerDefault::Trait => {
            quote!(<#name #types as ::core::default::Default>::default())
        }
        ContainerDefault::Function(path) => quote!(#path()),
    };
    Ok(quote! {
        impl #impl_generics ::core::default::Default for Mirror #types #clause {
            fn default() -> Self {
                let default: #name #types = #value;
                Self { #(#fields: default.#fields),* }
            }
        }
    })
}

/// Whether an attribute gives the type a name of its own.
fn says_rename(attribute: &Attribute) -> bool {
    if !["schemars", "serde"]
        .iter()
        .any(|name| attribute.path().is_ident(name))
    {
        return false;
    }
    attribute
        .parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
        .is_ok_and(|list| list.iter().any(|meta| meta.path().is_ident("rename")))
}

/// Tokens with the name of the type for every `Self`.
fn of_self(tokens: TokenStream, name: &TokenStream) -> TokenStream {
    let mut named = TokenStream::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if ident == "Self" => named.extend(name.clone()),
            TokenTree::Group(group) => {
                let inner = of_self(group.stream(), name);
                let group = Group::new(group.delimiter(), inner);
                named.extend([TokenTree::Group(group)]);
            }
            token => named.extend([token]),
        }
    }
    named
}

fn for_all_fields(
    input: &mut DeriveInput,
    change: &mut dyn FnMut(&mut Field) -> syn::Result<()>,
) -> syn::Result<()> {
    match &mut input.data {
        Data::Struct(data) => data.fields.iter_mut().try_for_each(change),
        Data::Enum(data) => data
            .variants
            .iter_mut()
            .flat_map(|variant| variant.fields.iter_mut())
            .try_for_each(change),
        Data::Union(_) => Ok(()),
    }
}

fn for_all_attributes(input: &mut DeriveInput, change: &mut dyn FnMut(&mut Vec<Attribute>)) {
    let of_fields = |fields: &mut Fields, change: &mut dyn FnMut(&mut Vec<Attribute>)| {
        for field in fields.iter_mut() {
            change(&mut field.attrs);
        }
    };
    change(&mut input.attrs);
    match &mut input.data {
        Data::Struct(data) => of_fields(&mut data.fields, change),
        Data::Enum(data) => {
            for variant in &mut data.variants {
                change(&mut variant.attrs);
                of_fields(&mut variant.fields, change);
            }
        }
        Data::Union(_) => {}
    }
}
