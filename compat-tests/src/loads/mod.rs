//! What goes on in a testbed all the while, and how it fared: connections at full speed, very many
//! sockets, a client that asks again and again.

pub mod bystander;
pub mod socket_load;
pub mod traffic;
