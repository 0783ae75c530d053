//! Programs that make requests or connections: IPVS clients, which are other people's or share no
//! code with sockvs, and applications. Nothing here says what an answer should be.

pub mod application;
pub mod client;
pub mod conversation;
pub mod ipvs_clients;
pub mod keepalived;
pub mod neli_client;
pub mod raw_client;
pub mod rule;
pub mod static_client;
