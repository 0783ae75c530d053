//! Tables of many namespaces.

use super::fake::{FakeHost, FakePath, destination, service, tcp};
use crate::{Ipvs, Namespace};

#[test]
fn each_namespace_has_its_own_table_and_ids_never_clash() {
    let mut ipvs = Ipvs::new();
    let mut path = FakePath::default();
    let key = tcp("10.0.0.1:80");
    let mut ids = Vec::new();
    for ns in [Namespace(2), Namespace(1)] {
        assert!(ipvs.table(ns).is_none());
        let table = ipvs.table_mut(ns);
        assert_eq!(table.namespace(), ns);
        let service = table.add_service(service(key), &mut path).unwrap();
        let server = table
            .add_destination(&key, destination("10.0.0.2:80"), &FakeHost, &mut path)
            .unwrap();
        ids.push((service, server));
    }
    assert_ne!(ids[0].0, ids[1].0);
    assert_ne!(ids[0].1, ids[1].1);
    assert_eq!(
        ipvs.namespaces().collect::<Vec<_>>(),
        [Namespace(1), Namespace(2)]
    );
    assert_eq!(path.published.len(), 4);
}

#[test]
fn a_removed_namespace_is_withdrawn_and_empty() {
    let mut ipvs = Ipvs::new();
    let mut path = FakePath::default();
    let (gone, stays) = (Namespace(1), Namespace(2));
    let key = tcp("10.0.0.1:80");
    for ns in [gone, stays] {
        ipvs.table_mut(ns)
            .add_service(service(key), &mut path)
            .unwrap();
    }
    ipvs.forget(gone, &mut path);
    ipvs.forget(Namespace(3), &mut path);
    assert_eq!(path.withdrawn, [(gone, key)]);
    assert!(ipvs.table(gone).is_none());
    assert_eq!(ipvs.table(stays).map(|table| table.len()), Some(1));
}
