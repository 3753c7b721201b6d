//! Nothing that owns a descriptor loses one, on success or failure.
//!
//! One test in a program of its own: descriptors are counted for the whole process.

mod support;

use hachi::programs::{Xdp, XdpFlags};
use hachi::{Ebpf, EbpfLoader};
use hachi_test::{Bpffs, TempDir, VethPair, open_descriptors, require_bpf};
use hachi_tests::fixture;

#[test]
fn no_descriptor_is_left_open() {
    require_bpf!();
    let wire = VethPair::new().unwrap();
    let bpffs = Bpffs::new().unwrap();
    let plain = TempDir::new().unwrap();
    let (drops, xdp, rejected) = (fixture("drops"), fixture("xdp"), fixture("rejected"));
    let object = std::fs::read(&drops).unwrap();
    let host = &wire.right;

    let use_everything = || {
        // Success, all the way and back.
        let mut ebpf = EbpfLoader::new()
            .override_global("PORT", &1_u16, true)
            .load_file(&drops)
            .unwrap();
        let id = support::attach(&mut ebpf, "drops", host, XdpFlags::default());
        assert!(!support::logged(&mut ebpf).iter().any(String::is_empty));
        let program: &mut Xdp = ebpf.program_mut("drops").unwrap().try_into().unwrap();
        let link = program.take_link(id).unwrap();
        let pinned = link.pin(bpffs.join("link")).unwrap();

        // Failures at each stage: parsing, settings, verifying, attaching, pinning.
        assert!(Ebpf::load(&object[..object.len() / 2]).is_err());
        let unknown = EbpfLoader::new()
            .override_global("NONE", &1_u8, true)
            .load_file(&drops);
        assert!(unknown.is_err());
        let mut refused = Ebpf::load_file(&rejected).unwrap();
        let careless: &mut Xdp = refused.program_mut("careless").unwrap().try_into().unwrap();
        assert!(careless.load().is_err());
        let mut second = Ebpf::load_file(&xdp).unwrap();
        let wall: &mut Xdp = second.program_mut("xdp").unwrap().try_into().unwrap();
        wall.load().unwrap();
        assert!(wall.attach("no-such-if", XdpFlags::default()).is_err());
        let attach = || wall.attach(host.interface(), XdpFlags::default());
        assert!(host.netns().run(attach).is_err());
        assert!(wall.pin(plain.join("nowhere")).is_err());
        assert!(wall.pin(bpffs.join("link")).is_err());
        // Closing would do, but not at once: the file system lets go of its pin a little later.
        pinned.unpin().unwrap().detach().unwrap();
    };

    // What is opened once and kept (say, a file that says what the kernel can do) is no leak.
    use_everything();
    let before = open_descriptors();
    for _ in 0..5 {
        use_everything();
    }
    let after = open_descriptors();
    assert_eq!(
        after.len(),
        before.len(),
        "\nbefore {before:?}\nafter {after:?}"
    );
}
