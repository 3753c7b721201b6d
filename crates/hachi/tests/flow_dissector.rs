//! Programs that read packets' headers for the kernel.

mod support;

use hachi::{
    links::Attachments,
    programs::{AttachType, FlowDissector, SchedClassifier, TcAttachType, TestRunOptions},
};
use hachi_asm::build;
use hachi_test::{Netns, exercises, require_bpf};
use support::{
    network::{TC_ACT_OK, counting, loaded, observing},
    tracing::{CTX, seen},
};

const BPF_OK: i32 = hachi::obj::uapi::bpf_ret_code::BPF_OK as i32;

#[test]
fn asked_for_the_hash_of_a_packet() {
    require_bpf!();
    let _row = exercises("flow_dissector", "link");
    let netns = Netns::new().unwrap();
    let mut dissector = loaded(counting("dissect", "flow_dissector", BPF_OK));
    typed!(dissector, "dissect", FlowDissector)
        .attach(&netns)
        .unwrap();
    let found = Attachments::at(&netns, AttachType::FlowDissector).unwrap();
    assert_eq!(found.programs.len(), 1);
    // A classifier that wants to know: set_hash_invalid, get_hash_recalc.
    let hash = [
        build::mov(1, CTX),
        build::call_helper(hachi_asm::helpers::id::SET_HASH_INVALID),
        build::mov(1, CTX),
        build::call_helper(hachi_asm::helpers::id::GET_HASH_RECALC),
    ];
    let mut asker = loaded(observing("ask", "classifier", &hash, TC_ACT_OK));
    let program = typed!(asker, "ask", SchedClassifier);
    netns
        .run(|| program.attach("lo", TcAttachType::Ingress))
        .unwrap();
    netns.run(|| {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
        socket.recv(&mut [0; 1]).unwrap();
    });
    assert_eq!(seen(&asker).0, 1);
    assert!(seen(&dissector).0 >= 1);
    let mut second = loaded(counting("dissect", "flow_dissector", BPF_OK));
    let error = typed!(second, "dissect", FlowDissector)
        .attach(&netns)
        .unwrap_err()
        .to_string();
    assert!(error.contains("another flow dissector"), "{error}");
}

#[test]
fn runs_without_a_packet() {
    require_bpf!();
    let ebpf = loaded(counting("dissect", "flow_dissector", BPF_OK));
    let run = ebpf
        .program("dissect")
        .unwrap()
        .test_run(&TestRunOptions::new().data(&[0; 64]).data_out(64).repeat(3));
    // Old kernels say whether it was that.
    let expected = if hachi_test::kernel_is_older_than("6.1") {
        1
    } else {
        BPF_OK
    };
    assert_eq!(run.unwrap().return_value, expected as u32);
    assert_eq!(seen(&ebpf).0, 3);
}
