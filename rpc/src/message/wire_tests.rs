//! Hand-written checks of the traits; the derive's own are in `tests/`.

use std::collections::{BTreeMap, HashMap};

use prost::Message;

use super::*;

fn bytes_of<F: Field + Send + Sync>(field: F) -> Vec<u8> {
    Value(field).encode_to_vec()
}

fn read<F: Field + Send + Sync>(bytes: &[u8]) -> F {
    Value::<F>::decode(bytes).unwrap().0
}

#[test]
fn scalars_leave_their_zero_out_and_messages_do_not() {
    assert_eq!(bytes_of(0u32), b"");
    assert_eq!(bytes_of(String::new()), b"");
    assert_eq!(bytes_of(Some(0u32)), b"\x08\x00");
    assert_eq!(bytes_of(()), b"\x0a\x00");
    assert_eq!(bytes_of(Box::new(7u32)), b"\x08\x07");
    assert_eq!(bytes_of(-0.0f32), b"\x0d\x00\x00\x00\x80");
}

#[test]
fn repeated_scalars_are_packed_and_read_either_way() {
    assert_eq!(bytes_of(vec![1u32, 2, 300]), b"\x0a\x04\x01\x02\xac\x02");
    assert_eq!(read::<Vec<u32>>(b"\x08\x01\x08\x02"), [1, 2]);
    assert_eq!(bytes_of(Vec::<u32>::new()), b"");
}

#[test]
fn bytes_are_not_repeated_numbers() {
    assert_eq!(bytes_of(vec![1u8, 2]), b"\x0a\x02\x01\x02");
    assert_eq!(bytes_of(vec![vec![1u8], vec![]]), b"\x0a\x01\x01\x0a\x00");
}

#[test]
fn decoding_bytes_shares_the_buffer() {
    let wire = prost::bytes::Bytes::from(bytes_of(vec![7u8; 64]));
    let value = Value::<prost::bytes::Bytes>::decode(wire.clone()).unwrap();
    assert_eq!(value.0.as_ptr(), wire[2..].as_ptr());
}

#[test]
fn a_map_entry_leaves_zeros_out() {
    let map = BTreeMap::from([(String::new(), 0u32), ("a".into(), 5)]);
    assert_eq!(bytes_of(map.clone()), b"\x0a\x00\x0a\x05\x0a\x01a\x10\x05");
    assert_eq!(read::<HashMap<String, u32>>(&bytes_of(map)), HashMap::from([(String::new(), 0), ("a".into(), 5)]));
}
