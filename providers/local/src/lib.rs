//! The provider `local`: files, directories, links and commands on this machine.
#![doc = include_str!("docs.md")]

mod command;
mod command_config;
mod command_effect;
mod command_run;
mod config;
mod data;
mod directory;
mod draft;
mod errors;
mod extended;
mod file;
mod file_content;
mod file_image;
mod file_write;
mod here;
mod holes;
mod observe;
mod owner;
mod path_type;
mod provider;
mod stamp;
mod symlink;
mod tree;

pub use provider::provider;
