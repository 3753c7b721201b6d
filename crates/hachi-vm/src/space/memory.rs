//! The space as helpers and maps use it.

use hachi_asm::Endian;
use hachi_machine::{Block, Fault, Gone, Kind, Memory, OutOfMemory, Protection};

use super::{OFFSET, Region, START, Shape, Space, WINDOW, address, read_sparse, region_of};

impl Memory for Space {
    fn endian(&self) -> Endian {
        self.endian
    }

    fn read(&self, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        let len = to.len();
        if len == 0 {
            return Ok(());
        }
        self.copied
            .set(self.copied.get().saturating_add(len as u64));
        let fault = || self.fault(address, len as u64, false);
        let Some((number, at)) = self.stretch(address, len) else {
            // An arena gives zeros for what is not there.
            let region = self.regions.get(region_of(address)).ok_or_else(fault)?;
            if region.shape == Shape::Arena {
                read_sparse(&region.bytes, address & 0xffff_ffff, to);
                return Ok(());
            }
            return Err(fault());
        };
        let region = &self.regions[number];
        if region.shape == Shape::Stack && !self.are_written(address & OFFSET, len as u64) {
            return Err(fault());
        }
        match region.bytes.get(at..at + len) {
            Some(bytes) => to.copy_from_slice(bytes),
            // What of an item was never written is zero.
            None => read_sparse(&region.bytes, at as u64, to),
        }
        Ok(())
    }

    fn write(&mut self, address: u64, from: &[u8]) -> Result<(), Fault> {
        let writable = |region: &Region| region.writable && region.shape != Shape::Context;
        if self
            .regions
            .get(region_of(address))
            .is_some_and(|region| !writable(region))
        {
            return match from.is_empty() {
                true => Ok(()),
                false => Err(self.fault(address, from.len() as u64, true)),
            };
        }
        self.write_owned(address, from)
    }

    fn read_owned(&self, address: u64, to: &mut [u8]) -> Result<(), Fault> {
        let region = self.regions.get(region_of(address));
        match region {
            Some(region) if region.shape == Shape::Context => {
                let at = (address & OFFSET).wrapping_sub(START) as usize;
                let bytes = at.checked_add(to.len());
                let bytes = bytes.and_then(|end| region.bytes.get(at..end));
                to.copy_from_slice(
                    bytes.ok_or_else(|| self.fault(address, to.len() as u64, false))?,
                );
                Ok(())
            }
            _ => self.read(address, to),
        }
    }

    fn write_owned(&mut self, address: u64, from: &[u8]) -> Result<(), Fault> {
        let len = from.len();
        if len == 0 {
            return Ok(());
        }
        if let Some(region) = self.regions.get_mut(region_of(address))
            && region.shape == Shape::Context
        {
            let at = (address & OFFSET).wrapping_sub(START) as usize;
            let place = at.checked_add(len);
            return match place.and_then(|end| region.bytes.get_mut(at..end)) {
                Some(place) => {
                    place.copy_from_slice(from);
                    Ok(())
                }
                None => Err(self.fault(address, len as u64, true)),
            };
        }
        self.copied
            .set(self.copied.get().saturating_add(len as u64));
        let Some((number, at)) = self.stretch(address, len) else {
            return self.store_slow(address, from);
        };
        let out_of_memory = self.grow(number, address, len as u64).is_err();
        if self.regions[number].shape == Shape::Stack {
            self.mark_all_written(address & OFFSET, len as u64);
        }
        match self.regions[number].bytes.get_mut(at..at + len) {
            Some(place) if !out_of_memory => {
                place.copy_from_slice(from);
                Ok(())
            }
            _ => Err(self.fault(address, len as u64, true)),
        }
    }

    fn allocate(
        &mut self,
        kind: Kind,
        size: u32,
        count: u32,
        protection: Protection,
    ) -> Result<Block, OutOfMemory> {
        let writable = protection == Protection::ReadWrite;
        if matches!(kind, Kind::Arena { .. }) {
            let region = self.push(Region {
                bytes: Vec::new(),
                shape: Shape::Arena,
                writable,
                kind,
            })?;
            return Ok(Block {
                address: address(region, 0),
                stride: 1,
            });
        }
        if count == 1 {
            self.spend(size.into())?;
            let region = self.push(Region {
                bytes: vec![0; size as usize],
                shape: Shape::Linear { low: 0, high: size },
                writable,
                kind,
            })?;
            return Ok(Block {
                address: address(region, START),
                stride: size.into(),
            });
        }
        // A gap after each item, so that its end is not the start of the next.
        let shift = u64::from(size)
            .saturating_add(8)
            .next_power_of_two()
            .trailing_zeros();
        if u128::from(count) << shift >= 1 << (WINDOW - 1) {
            return Err(OutOfMemory);
        }
        let region = self.push(Region {
            bytes: Vec::new(),
            shape: Shape::Items {
                shift: shift as u8,
                size,
                count,
            },
            writable,
            kind,
        })?;
        // Small maps are whole from the start: accesses then need not look whether they are.
        let whole = u64::from(size) * u64::from(count);
        if whole <= 1 << 16 {
            self.spend(whole)?;
            self.regions[region].bytes = vec![0; whole as usize];
        }
        Ok(Block {
            address: address(region, START),
            stride: 1 << shift,
        })
    }

    fn set_bounds(&mut self, block: Block, start: u32, end: u32) {
        self.generation += 1;
        if let Some(region) = self.regions.get_mut(region_of(block.address))
            && let Shape::Linear { low, high } = &mut region.shape
        {
            let len = region.bytes.len() as u32;
            *high = end.min(len);
            *low = start.min(*high);
        }
    }

    fn renew(&mut self, block: Block, why: Gone) -> Block {
        self.generation += 1;
        let number = region_of(block.address);
        let Some(region) = self.regions.get_mut(number) else {
            return block;
        };
        let kind = region.kind.clone();
        let dead = Region {
            bytes: Vec::new(),
            shape: Shape::Gone(why),
            writable: false,
            kind,
        };
        let old = std::mem::replace(region, dead);
        match self.push(old) {
            Ok(region) => Block {
                address: address(region, START),
                stride: block.stride,
            },
            // The number of regions is bounded; a program that moves its packet that often has
            // lost it.
            Err(OutOfMemory) => block,
        }
    }

    fn release(&mut self, block: Block, why: Gone) {
        self.generation += 1;
        if let Some(region) = self.regions.get_mut(region_of(block.address)) {
            self.budget += region.bytes.len() as u64;
            region.bytes = Vec::new();
            region.shape = Shape::Gone(why);
            region.writable = false;
        }
    }
}
