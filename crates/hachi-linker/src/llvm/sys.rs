//! The part of LLVM's C interface that the linker uses, loaded at run time from the compiler's own
//! library.
//!
//! Types and functions are named as in `llvm-c/*.h`. All handles are opaque pointers.

#![allow(non_camel_case_types, non_snake_case)]

use std::{
    ffi::{c_char, c_int, c_uint, c_ulonglong, c_void},
    mem::transmute,
    path::Path,
    sync::OnceLock,
};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::wire::LibraryFault;

/// Any `LLVM…Ref`.
pub(crate) type Ref = *mut c_void;
/// `LLVMBool`: 0 is false, and success where a function reports failure.
pub(crate) type Bool = c_int;
pub(crate) type DiagnosticHandler = extern "C" fn(Ref, *mut c_void);

macro_rules! api {
    (
        $(fn $name:ident($($arg:ty),* $(,)?) $(-> $ret:ty)?;)*
        since 22: $(fn $new:ident($($new_arg:ty),* $(,)?) $(-> $new_ret:ty)?;)*
    ) => {
        /// The functions. All are present but those that came late and that the linker can do
        /// without.
        pub(crate) struct Api {
            $(pub(crate) $name: unsafe extern "C" fn($($arg),*) $(-> $ret)?,)*
            $(pub(crate) $new: Option<unsafe extern "C" fn($($new_arg),*) $(-> $new_ret)?>,)*
        }

        impl Api {
            fn load(library: &Library) -> Result<Self, LibraryFault> {
                Ok(Api {
                    // SAFETY: the declared types are those of LLVM's headers, and the library is
                    // never unloaded.
                    $($name: unsafe { transmute::<Ref, unsafe extern "C" fn($($arg),*) $(-> $ret)?>(
                        symbol(library, stringify!($name))
                            .ok_or_else(|| lacking(stringify!($name)))?
                    ) },)*
                    $($new: {
                        type Found = Option<unsafe extern "C" fn($($new_arg),*) $(-> $new_ret)?>;
                        let found = symbol(library, stringify!($new)).unwrap_or_default();
                        // SAFETY: as above; a null pointer is `None`.
                        unsafe { transmute::<Ref, Found>(found) }
                    },)*
                })
            }
        }
    };
}

api! {
    // Set-up.
    fn LLVMGetVersion(*mut c_uint, *mut c_uint, *mut c_uint);
    fn LLVMInitializeBPFTargetInfo();
    fn LLVMInitializeBPFTarget();
    fn LLVMInitializeBPFTargetMC();
    fn LLVMInitializeBPFAsmPrinter();
    fn LLVMInitializeBPFAsmParser();
    fn LLVMParseCommandLineOptions(c_int, *const *const c_char, *const c_char);
    fn LLVMEnablePrettyStackTrace();
    fn LLVMContextCreate() -> Ref;
    fn LLVMContextSetDiagnosticHandler(Ref, DiagnosticHandler, *mut c_void);
    fn LLVMGetDiagInfoDescription(Ref) -> *mut c_char;
    fn LLVMGetDiagInfoSeverity(Ref) -> c_int;

    // Modules.
    fn LLVMCreateMemoryBufferWithMemoryRangeCopy(*const c_char, usize, *const c_char) -> Ref;
    fn LLVMGetBitcodeModuleInContext2(Ref, Ref, *mut Ref) -> Bool;
    fn LLVMParseIRInContext(Ref, Ref, *mut Ref, *mut *mut c_char) -> Bool;
    fn LLVMModuleCreateWithNameInContext(*const c_char, Ref) -> Ref;
    fn LLVMDisposeModule(Ref);
    fn LLVMLinkModules2(Ref, Ref) -> Bool;
    fn LLVMGetTarget(Ref) -> *const c_char;
    fn LLVMSetTarget(Ref, *const c_char);
    fn LLVMGetDataLayoutStr(Ref) -> *const c_char;
    fn LLVMSetDataLayout(Ref, *const c_char);
    fn LLVMGetModuleDataLayout(Ref) -> Ref;
    fn LLVMSetModuleInlineAsm2(Ref, *const c_char, usize);
    fn LLVMPrintModuleToString(Ref) -> *mut c_char;
    fn LLVMVerifyModule(Ref, c_int, *mut *mut c_char) -> Bool;
    fn LLVMGetFirstFunction(Ref) -> Ref;
    fn LLVMGetNextFunction(Ref) -> Ref;
    fn LLVMGetNamedFunction(Ref, *const c_char) -> Ref;
    fn LLVMAddFunction(Ref, *const c_char, Ref) -> Ref;
    fn LLVMDeleteFunction(Ref);
    fn LLVMGetFirstGlobal(Ref) -> Ref;
    fn LLVMGetNextGlobal(Ref) -> Ref;
    fn LLVMGetFirstGlobalAlias(Ref) -> Ref;
    fn LLVMGetNextGlobalAlias(Ref) -> Ref;
    fn LLVMAliasGetAliasee(Ref) -> Ref;

    // Target and passes.
    fn LLVMGetTargetFromTriple(*const c_char, *mut Ref, *mut *mut c_char) -> Bool;
    fn LLVMCreateTargetMachine(
        Ref, *const c_char, *const c_char, *const c_char, c_int, c_int, c_int,
    ) -> Ref;
    fn LLVMCreatePassBuilderOptions() -> Ref;
    fn LLVMRunPasses(Ref, *const c_char, Ref, Ref) -> Ref;
    fn LLVMGetErrorMessage(Ref) -> *mut c_char;
    fn LLVMTargetMachineEmitToMemoryBuffer(Ref, Ref, c_int, *mut *mut c_char, *mut Ref) -> Bool;
    fn LLVMGetBufferStart(Ref) -> *const c_char;
    fn LLVMGetBufferSize(Ref) -> usize;

    // Types.
    fn LLVMVoidTypeInContext(Ref) -> Ref;
    fn LLVMIntTypeInContext(Ref, c_uint) -> Ref;
    fn LLVMFunctionType(Ref, *const Ref, c_uint, Bool) -> Ref;
    fn LLVMGetTypeContext(Ref) -> Ref;
    fn LLVMGetTypeKind(Ref) -> c_int;
    fn LLVMGetIntTypeWidth(Ref) -> c_uint;
    fn LLVMGetReturnType(Ref) -> Ref;
    fn LLVMGetElementType(Ref) -> Ref;
    fn LLVMABISizeOfType(Ref, Ref) -> c_ulonglong;
    fn LLVMOffsetOfElement(Ref, Ref, c_uint) -> c_ulonglong;
    fn LLVMTypeIsSized(Ref) -> Bool;

    // Values.
    fn LLVMTypeOf(Ref) -> Ref;
    fn LLVMIsAInstruction(Ref) -> Ref;
    fn LLVMIsAFunction(Ref) -> Ref;
    fn LLVMIsAConstantInt(Ref) -> Ref;
    fn LLVMIsAConstantExpr(Ref) -> Ref;
    fn LLVMIsAGlobalVariable(Ref) -> Ref;
    fn LLVMIsAGlobalAlias(Ref) -> Ref;
    fn LLVMIsAConstantStruct(Ref) -> Ref;
    fn LLVMIsAConstantArray(Ref) -> Ref;
    fn LLVMIsAConstantVector(Ref) -> Ref;
    fn LLVMIsAUndefValue(Ref) -> Ref;
    fn LLVMIsAConstantPointerNull(Ref) -> Ref;
    fn LLVMIsAInlineAsm(Ref) -> Ref;
    fn LLVMIsATerminatorInst(Ref) -> Ref;
    fn LLVMGetValueName2(Ref, *mut usize) -> *const c_char;
    fn LLVMSetValueName2(Ref, *const c_char, usize);
    fn LLVMReplaceAllUsesWith(Ref, Ref);
    fn LLVMGetFirstUse(Ref) -> Ref;
    fn LLVMGetNextUse(Ref) -> Ref;
    fn LLVMGetUser(Ref) -> Ref;
    fn LLVMGetNumOperands(Ref) -> c_int;
    fn LLVMGetOperand(Ref, c_uint) -> Ref;
    fn LLVMSetOperand(Ref, c_uint, Ref);
    fn LLVMConstNull(Ref) -> Ref;
    fn LLVMConstInt(Ref, c_ulonglong, Bool) -> Ref;
    fn LLVMGetUndef(Ref) -> Ref;
    fn LLVMConstIntGetZExtValue(Ref) -> c_ulonglong;
    fn LLVMGetConstOpcode(Ref) -> c_int;
    fn LLVMIsConstant(Ref) -> Bool;

    // Global values.
    fn LLVMIsDeclaration(Ref) -> Bool;
    fn LLVMGetLinkage(Ref) -> c_int;
    fn LLVMSetLinkage(Ref, c_int);
    fn LLVMSetVisibility(Ref, c_int);
    fn LLVMGetSection(Ref) -> *const c_char;
    fn LLVMGlobalGetValueType(Ref) -> Ref;
    fn LLVMGetInitializer(Ref) -> Ref;
    fn LLVMGetParam(Ref, c_uint) -> Ref;
    fn LLVMCountParams(Ref) -> c_uint;
    fn LLVMGetFirstBasicBlock(Ref) -> Ref;
    fn LLVMGetNextBasicBlock(Ref) -> Ref;
    fn LLVMSetFunctionCallConv(Ref, c_uint);
    fn LLVMSetInstructionCallConv(Ref, c_uint);
    fn LLVMSetPersonalityFn(Ref, Ref);
    fn LLVMHasPersonalityFn(Ref) -> Bool;

    // Attributes.
    fn LLVMGetEnumAttributeKindForName(*const c_char, usize) -> c_uint;
    fn LLVMCreateEnumAttribute(Ref, c_uint, u64) -> Ref;
    fn LLVMCreateStringAttribute(Ref, *const c_char, c_uint, *const c_char, c_uint) -> Ref;
    fn LLVMAddAttributeAtIndex(Ref, c_uint, Ref);
    fn LLVMGetEnumAttributeAtIndex(Ref, c_uint, c_uint) -> Ref;
    fn LLVMRemoveEnumAttributeAtIndex(Ref, c_uint, c_uint);
    fn LLVMRemoveStringAttributeAtIndex(Ref, c_uint, *const c_char, c_uint);
    fn LLVMGetCallSiteEnumAttribute(Ref, c_uint, c_uint) -> Ref;
    fn LLVMRemoveCallSiteEnumAttribute(Ref, c_uint, c_uint);
    fn LLVMGetEnumAttributeValue(Ref) -> u64;

    // Instructions.
    fn LLVMGetFirstInstruction(Ref) -> Ref;
    fn LLVMGetNextInstruction(Ref) -> Ref;
    fn LLVMGetInstructionOpcode(Ref) -> c_int;
    fn LLVMGetInstructionParent(Ref) -> Ref;
    fn LLVMGetBasicBlockParent(Ref) -> Ref;
    fn LLVMGetBasicBlockTerminator(Ref) -> Ref;
    fn LLVMInstructionEraseFromParent(Ref);
    fn LLVMGetCalledValue(Ref) -> Ref;
    fn LLVMGetCalledFunctionType(Ref) -> Ref;
    fn LLVMGetNumArgOperands(Ref) -> c_uint;
    fn LLVMGetAllocatedType(Ref) -> Ref;
    fn LLVMGetGEPSourceElementType(Ref) -> Ref;
    fn LLVMGetIndices(Ref) -> *const c_uint;
    fn LLVMGetAlignment(Ref) -> c_uint;
    fn LLVMSetAlignment(Ref, c_uint);
    fn LLVMSetInstrParamAlignment(Ref, c_uint, c_uint);
    fn LLVMGetOrdering(Ref) -> c_int;
    fn LLVMSetOrdering(Ref, c_int);
    fn LLVMGetVolatile(Ref) -> Bool;
    fn LLVMBuildMemCpy(Ref, Ref, c_uint, Ref, c_uint, Ref) -> Ref;
    fn LLVMBuildMemMove(Ref, Ref, c_uint, Ref, c_uint, Ref) -> Ref;
    fn LLVMBuildMemSet(Ref, Ref, Ref, Ref, c_uint) -> Ref;
    fn LLVMBuildAlloca(Ref, Ref, *const c_char) -> Ref;
    fn LLVMArrayType2(Ref, u64) -> Ref;
    fn LLVMSetVolatile(Ref, Bool);
    fn LLVMIsAtomicSingleThread(Ref) -> Bool;
    fn LLVMGetAtomicRMWBinOp(Ref) -> c_int;
    fn LLVMGetICmpPredicate(Ref) -> c_int;
    fn LLVMGetNumSuccessors(Ref) -> c_uint;
    fn LLVMGetSuccessor(Ref, c_uint) -> Ref;
    fn LLVMGetInlineAsmAsmString(Ref, *mut usize) -> *const c_char;
    fn LLVMGetInlineAsmConstraintString(Ref, *mut usize) -> *const c_char;
    fn LLVMGetInlineAsm(
        Ref, *const c_char, usize, *const c_char, usize, Bool, Bool, c_int, Bool,
    ) -> Ref;

    // Building.
    fn LLVMCreateBuilderInContext(Ref) -> Ref;
    fn LLVMPositionBuilderBefore(Ref, Ref);
    fn LLVMSetCurrentDebugLocation2(Ref, Ref);
    fn LLVMBuildCall2(Ref, Ref, Ref, *const Ref, c_uint, *const c_char) -> Ref;
    fn LLVMBuildRet(Ref, Ref) -> Ref;
    fn LLVMBuildRetVoid(Ref) -> Ref;
    fn LLVMAppendBasicBlockInContext(Ref, Ref, *const c_char) -> Ref;
    fn LLVMMoveBasicBlockAfter(Ref, Ref);
    fn LLVMPositionBuilderAtEnd(Ref, Ref);
    fn LLVMInstructionRemoveFromParent(Ref);
    fn LLVMInsertIntoBuilder(Ref, Ref);
    fn LLVMInstructionSetDebugLoc(Ref, Ref);
    fn LLVMGetNUW(Ref) -> Bool;
    fn LLVMBuildCondBr(Ref, Ref, Ref, Ref) -> Ref;
    fn LLVMBuildBr(Ref, Ref) -> Ref;
    fn LLVMBuildPhi(Ref, Ref, *const c_char) -> Ref;
    fn LLVMBuildSelect(Ref, Ref, Ref, Ref, *const c_char) -> Ref;
    fn LLVMAddIncoming(Ref, *const Ref, *const Ref, c_uint);
    fn LLVMCountIncoming(Ref) -> c_uint;
    fn LLVMGetIncomingValue(Ref, c_uint) -> Ref;
    fn LLVMGetIncomingBlock(Ref, c_uint) -> Ref;
    fn LLVMBuildBinOp(Ref, c_int, Ref, Ref, *const c_char) -> Ref;
    fn LLVMBuildICmp(Ref, c_int, Ref, Ref, *const c_char) -> Ref;
    fn LLVMBuildGEP2(Ref, Ref, Ref, *const Ref, c_uint, *const c_char) -> Ref;
    fn LLVMConstStructInContext(Ref, *const Ref, c_uint, Bool) -> Ref;
    fn LLVMConstNamedStruct(Ref, *const Ref, c_uint) -> Ref;
    fn LLVMConstArray2(Ref, *const Ref, u64) -> Ref;
    fn LLVMSetInitializer(Ref, Ref);
    fn LLVMIsLiteralStruct(Ref) -> Bool;
    fn LLVMIsPackedStruct(Ref) -> Bool;
    fn LLVMBuildIntCast2(Ref, Ref, Ref, Bool, *const c_char) -> Ref;

    // Debug information.
    fn LLVMInstructionGetDebugLoc(Ref) -> Ref;
    fn LLVMDILocationGetLine(Ref) -> c_uint;
    fn LLVMDILocationGetColumn(Ref) -> c_uint;
    fn LLVMDILocationGetScope(Ref) -> Ref;
    fn LLVMDILocationGetInlinedAt(Ref) -> Ref;
    fn LLVMDIBuilderCreateDebugLocation(Ref, c_uint, c_uint, Ref, Ref) -> Ref;
    fn LLVMDIScopeGetFile(Ref) -> Ref;
    fn LLVMDIFileGetFilename(Ref, *mut c_uint) -> *const c_char;
    fn LLVMDIFileGetDirectory(Ref, *mut c_uint) -> *const c_char;
    fn LLVMGetSubprogram(Ref) -> Ref;
    fn LLVMDISubprogramGetLine(Ref) -> c_uint;
    fn LLVMGetMetadataKind(Ref) -> c_int;
    fn LLVMMetadataAsValue(Ref, Ref) -> Ref;
    fn LLVMValueAsMetadata(Ref) -> Ref;
    fn LLVMGetMDNodeNumOperands(Ref) -> c_uint;
    fn LLVMGetMDNodeOperands(Ref, *mut Ref);
    fn LLVMGetMDString(Ref, *mut c_uint) -> *const c_char;
    fn LLVMGetFirstDbgRecord(Ref) -> Ref;
    fn LLVMGetNextDbgRecord(Ref) -> Ref;
    fn LLVMDITypeGetSizeInBits(Ref) -> u64;

    since 22:
    fn LLVMDbgRecordGetKind(Ref) -> c_int;
    fn LLVMDbgRecordGetDebugLoc(Ref) -> Ref;
    fn LLVMDbgVariableRecordGetValue(Ref, c_uint) -> Ref;
    fn LLVMDbgVariableRecordGetVariable(Ref) -> Ref;
}

/// The address of a function. One way for all of them: a `get` for each type is compiled for each
/// type.
fn symbol(library: &Library, name: &str) -> Option<Ref> {
    // SAFETY: the address is only looked up, not used.
    unsafe { library.get::<Ref>(name) }
        .ok()
        .map(|found| found.into_raw())
}

fn lacking(name: &str) -> LibraryFault {
    LibraryFault::Lacks(name.to_owned())
}

static API: OnceLock<Api> = OnceLock::new();

/// Loads the library for the rest of this process's life.
///
/// # Errors
/// If it cannot be loaded, or is an LLVM that lacks a function.
pub(crate) fn load(path: &Path) -> Result<&'static Api, LibraryFault> {
    // SAFETY: LLVM's initialisers have no preconditions. Local: two versions may meet in one
    // process.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| LibraryFault::NotLoaded(error.to_string()))?;
    let api = Api::load(&library)?;
    std::mem::forget(library);
    Ok(API.get_or_init(|| api))
}

/// The loaded functions. Handles exist only after [`load`], so anyone who holds one may call this.
pub(crate) fn api() -> &'static Api {
    API.get().expect("LLVM is loaded before it is used")
}
