internal import ClusterEngine
internal import Foundation
internal import NIOConcurrencyHelpers
internal import NIOSSL

/// Reads an access's files again when they have changed: service account tokens live for an hour, certificates for
/// months.
final class FreshFiles: Sendable {
    private struct Kept {
        var stamps: [String: Date] = [:]
        var texts: [String: String] = [:]
        var tls: TLSConfiguration?
        var tlsStamps: [String: Date] = [:]
    }

    private let access: EngineAccess
    private let kept = NIOLockedValueBox(Kept())

    init(_ access: EngineAccess) { self.access = access }

    func token() throws(EngineFailure) -> String? {
        guard let token = access.token else { return nil }
        return try text(token, "token").trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The same value as long as no file changes: connections are shared among requests with equal settings.
    func tls() throws(EngineFailure) -> TLSConfiguration {
        let files = [access.authorities, access.certificate, access.key].compactMap { secret in
            if case .file(let path) = secret { path } else { nil }
        }
        let stamps = Dictionary(uniqueKeysWithValues: Set(files).map { ($0, changed($0)) })
        if let known = kept.withLockedValue({ $0.tlsStamps == stamps ? $0.tls : nil }) { return known }
        let made = try makeTLS()
        kept.withLockedValue { ($0.tls, $0.tlsStamps) = (made, stamps) }
        return made
    }

    private func makeTLS() throws(EngineFailure) -> TLSConfiguration {
        var tls = TLSConfiguration.makeClientConfiguration()
        if let authorities = access.authorities {
            tls.trustRoots = .certificates(try certificates(authorities, "certificate authority"))
        }
        if let certificate = access.certificate, let key = access.key {
            tls.certificateChain = try certificates(certificate, "client certificate").map { .certificate($0) }
            let pem = try text(key, "client key")
            do { tls.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: Array(pem.utf8), format: .pem)) } catch {
                throw EngineFailure(.certificate, "read \(name(key, "client key")): not a private key in PEM")
            }
        }
        return tls
    }

    private func certificates(
        _ secret: EngineAccess.Secret, _ what: String
    ) throws(EngineFailure) -> [NIOSSLCertificate] {
        let pem = try text(secret, what)
        let certificates = (try? NIOSSLCertificate.fromPEMBytes(Array(pem.utf8))) ?? []
        guard !certificates.isEmpty else {
            throw EngineFailure(.certificate, "read \(name(secret, what)): no certificate in PEM")
        }
        return certificates
    }

    private func text(_ secret: EngineAccess.Secret, _ what: String) throws(EngineFailure) -> String {
        guard case .file(let path) = secret else {
            guard case .text(let text) = secret else { return "" }
            return text
        }
        let stamp = changed(path)
        if let known = kept.withLockedValue({ $0.stamps[path] == stamp ? $0.texts[path] : nil }) { return known }
        do {
            let text = try String(contentsOfFile: path, encoding: .utf8)
            kept.withLockedValue { ($0.stamps[path], $0.texts[path]) = (stamp, text) }
            return text
        } catch {
            throw EngineFailure(.configuration, "read the \(what) from \(path): \(error.localizedDescription)")
        }
    }

    /// A moment that differs when the file has been replaced; follows symbolic links, which Kubernetes exchanges.
    private func changed(_ path: String) -> Date {
        let real = (path as NSString).resolvingSymlinksInPath
        let attributes = try? FileManager.default.attributesOfItem(atPath: real)
        return attributes?[.modificationDate] as? Date ?? .distantPast
    }

    private func name(_ secret: EngineAccess.Secret, _ what: String) -> String {
        if case .file(let path) = secret { "the \(what) from \(path)" } else { "the \(what)" }
    }
}
