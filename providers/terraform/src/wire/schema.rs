//! Messages about schemas.
//!
//! An attribute has other numbers in each protocol: in 5, `write_only` is field 10; in 6, field 10 is the
//! nested type and `write_only` is 11. Read with the wrong one, the message cannot be decoded.

use std::collections::HashMap;

use prost::Message;

use super::message::{Diagnostic, ServerCapabilities};

/// What differs between the protocols.
pub(crate) trait AttributeMessage: Message + std::fmt::Debug + Default + Clone + PartialEq + 'static {
    /// The attribute in the form of protocol 6.
    fn into_six(self) -> Attribute6;
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute5 {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) kind: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(crate) description: String,
    #[prost(bool, tag = "4")]
    pub(crate) required: bool,
    #[prost(bool, tag = "5")]
    pub(crate) optional: bool,
    #[prost(bool, tag = "6")]
    pub(crate) computed: bool,
    #[prost(bool, tag = "7")]
    pub(crate) sensitive: bool,
    #[prost(bool, tag = "9")]
    pub(crate) deprecated: bool,
    #[prost(bool, tag = "10")]
    pub(crate) write_only: bool,
    #[prost(string, tag = "11")]
    pub(crate) deprecation_message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Attribute6 {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) kind: Vec<u8>,
    #[prost(message, optional, tag = "10")]
    pub(crate) nested: Option<NestedAttributes>,
    #[prost(string, tag = "3")]
    pub(crate) description: String,
    #[prost(bool, tag = "4")]
    pub(crate) required: bool,
    #[prost(bool, tag = "5")]
    pub(crate) optional: bool,
    #[prost(bool, tag = "6")]
    pub(crate) computed: bool,
    #[prost(bool, tag = "7")]
    pub(crate) sensitive: bool,
    #[prost(bool, tag = "9")]
    pub(crate) deprecated: bool,
    #[prost(bool, tag = "11")]
    pub(crate) write_only: bool,
    #[prost(string, tag = "12")]
    pub(crate) deprecation_message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NestedAttributes {
    #[prost(message, repeated, tag = "1")]
    pub(crate) attributes: Vec<Attribute6>,
    #[prost(int32, tag = "3")]
    pub(crate) nesting: i32,
}

impl AttributeMessage for Attribute6 {
    fn into_six(self) -> Attribute6 {
        self
    }
}

impl AttributeMessage for Attribute5 {
    fn into_six(self) -> Attribute6 {
        let Attribute5 {
            name,
            kind,
            description,
            required,
            optional,
            computed,
            sensitive,
            deprecated,
            write_only,
            deprecation_message,
        } = self;
        Attribute6 {
            name,
            kind,
            nested: None,
            description,
            required,
            optional,
            computed,
            sensitive,
            deprecated,
            write_only,
            deprecation_message,
        }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Schema<A: AttributeMessage> {
    #[prost(int64, tag = "1")]
    pub(crate) version: i64,
    #[prost(message, optional, tag = "2")]
    pub(crate) block: Option<Block<A>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Block<A: AttributeMessage> {
    #[prost(message, repeated, tag = "2")]
    pub(crate) attributes: Vec<A>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) blocks: Vec<NestedBlock<A>>,
    #[prost(string, tag = "4")]
    pub(crate) description: String,
    #[prost(bool, tag = "6")]
    pub(crate) deprecated: bool,
    #[prost(string, tag = "7")]
    pub(crate) deprecation_message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct NestedBlock<A: AttributeMessage> {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, optional, tag = "2")]
    pub(crate) block: Option<Block<A>>,
    #[prost(int32, tag = "3")]
    pub(crate) nesting: i32,
    #[prost(int64, tag = "4")]
    pub(crate) minimum: i64,
    #[prost(int64, tag = "5")]
    pub(crate) maximum: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SchemaResponse<A: AttributeMessage> {
    #[prost(message, optional, tag = "1")]
    pub(crate) provider: Option<Schema<A>>,
    /// Each a [`Schema`], to be read when it is asked for: on the wire there is no difference.
    #[prost(map = "string, bytes", tag = "2")]
    pub(crate) resources: HashMap<String, Vec<u8>>,
    /// Each a [`Schema`], to be read when it is asked for: on the wire there is no difference.
    #[prost(map = "string, bytes", tag = "3")]
    pub(crate) data: HashMap<String, Vec<u8>>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) diagnostics: Vec<Diagnostic>,
    #[prost(message, optional, tag = "6")]
    pub(crate) capabilities: Option<ServerCapabilities>,
    #[prost(map = "string, message", tag = "7")]
    pub(crate) functions: HashMap<String, Function>,
    /// Each a [`Schema`], to be read when it is asked for: on the wire there is no difference.
    #[prost(map = "string, bytes", tag = "8")]
    pub(crate) ephemeral: HashMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Function {
    #[prost(message, repeated, tag = "1")]
    pub(crate) parameters: Vec<Parameter>,
    #[prost(message, optional, tag = "2")]
    pub(crate) variadic: Option<Parameter>,
    #[prost(message, optional, tag = "3")]
    pub(crate) result: Option<FunctionResult>,
    #[prost(string, tag = "4")]
    pub(crate) summary: String,
    #[prost(string, tag = "5")]
    pub(crate) description: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Parameter {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) kind: Vec<u8>,
    #[prost(bool, tag = "3")]
    pub(crate) allows_null: bool,
    #[prost(bool, tag = "4")]
    pub(crate) allows_unknown: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FunctionResult {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) kind: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct IdentitySchemasResponse {
    #[prost(map = "string, message", tag = "1")]
    pub(crate) schemas: HashMap<String, IdentitySchema>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) diagnostics: Vec<Diagnostic>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct IdentitySchema {
    #[prost(int64, tag = "1")]
    pub(crate) version: i64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) attributes: Vec<IdentityAttribute>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct IdentityAttribute {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) kind: Vec<u8>,
}
