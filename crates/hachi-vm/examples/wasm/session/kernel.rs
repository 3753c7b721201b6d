//! Structures of the kernel's that programs are called with.

use hachi_btf::{Btf, Kind, Member, Type, Types as _};
use hachi_vm::Vm;

use super::scene::{Number, Object, Places};

/// Makes the objects, in their order: one points only to those before it.
pub fn make(vm: &mut Vm, types: &Btf<'_>, objects: &[Object]) -> Result<Places, String> {
    let mut places = Places::new();
    for object in objects {
        let bytes = bytes(types, object, &places)?;
        let address = vm.kernel_object(&bytes);
        let address = address.map_err(|error| error.to_string())?;
        places.insert(object.label.clone(), address);
    }
    Ok(places)
}

/// An object, byte by byte, as the kernel of these types lays it out.
fn bytes(types: &Btf<'_>, object: &Object, places: &Places) -> Result<Vec<u8>, String> {
    let missing = || format!("the kernel's types have no `{}`", object.name);
    let id = types.find(&object.name, Kind::Struct).ok_or_else(missing)?;
    let size = types.size_of(id).map_err(|error| error.to_string())?;
    let mut bytes = vec![0; size as usize];
    for (name, text) in &object.members {
        let wrong = || format!("`{text}` is no value for `{}.{name}`", object.name);
        let members = types.members(id).map_err(|error| error.to_string())?;
        let member = members.iter().find(|member| member.name == name.as_str());
        let value = value(types, member.ok_or_else(wrong)?, text, places).ok_or_else(wrong)?;
        let at = member.map_or(0, |member| member.bit_offset as usize / 8);
        let to = bytes.get_mut(at..at + value.len()).ok_or_else(wrong)?;
        to.copy_from_slice(&value);
    }
    Ok(bytes)
}

/// The bytes of a member: a number of its size, or text with a zero behind it.
fn value(types: &Btf<'_>, member: &Member<&str>, text: &str, places: &Places) -> Option<Vec<u8>> {
    let id = types.resolve(member.type_id).ok()?;
    let size = types.size_of(id).ok()? as usize;
    if let Type::Array(_) = types.get(id).ok()? {
        let mut bytes = text.as_bytes().to_vec();
        bytes.truncate(size.saturating_sub(1));
        return Some(bytes);
    }
    let number = Number::parse(text)?.value(places);
    number.to_le_bytes().get(..size).map(<[u8]>::to_vec)
}
