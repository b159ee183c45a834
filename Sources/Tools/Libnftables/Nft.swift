internal import CLibnftables
internal import Glibc

/// nft's own library. Reads back what is in the kernel as text, for people and for tests.
///
/// The plugin does not use it: just linking it would cost 0.4 ms per start.
@safe
public struct Nft: ~Copyable {
    private let context: OpaquePointer

    public init() throws(NftError) {
        // NFT_CTX_DEFAULT, nftables/libnftables.h.
        guard let context = unsafe nft_ctx_new(0) else {
            throw NftError(description: "open libnftables: out of memory")
        }
        unsafe self.context = unsafe context
        unsafe nft_ctx_buffer_output(context)
        unsafe nft_ctx_buffer_error(context)
    }

    deinit { unsafe nft_ctx_free(context) }

    /// Runs commands in nft's language, in the caller's network namespace.
    ///
    /// - Parameters:
    ///   - terse: leaves out the elements of sets and maps.
    ///   - json: answers in the format of libnftables-json(5).
    /// - Returns: what nft prints.
    public func run(_ commands: String, terse: Bool = false, json: Bool = false) throws(NftError) -> String {
        // NFT_CTX_OUTPUT_TERSE, NFT_CTX_OUTPUT_JSON.
        unsafe nft_ctx_output_set_flags(context, (terse ? 1 << 11 : 0) | (json ? 1 << 4 : 0))
        guard unsafe nft_run_cmd_from_buffer(context, commands) == 0 else {
            throw NftError(description: unsafe text(nft_ctx_get_error_buffer(context)))
        }
        return unsafe text(nft_ctx_get_output_buffer(context))
    }

    private func text(_ buffer: UnsafePointer<CChar>?) -> String {
        unsafe buffer.map { unsafe String(cString: $0) } ?? ""
    }
}

/// nft's message about a failed command.
public struct NftError: Error, Sendable, Hashable, CustomStringConvertible {
    public let description: String
}
