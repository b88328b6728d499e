// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Logging
import NIOCore
import NIOSSL
import PerchSDK
import Synchronization

/// Where a server's certificate and its key lie, in files of PEM.
package struct TLSFiles: Sendable, Hashable {
    package var certificate: String
    package var key: String

    package init(certificate: String, key: String) {
        self.certificate = certificate
        self.key = key
    }
}

/// Encrypts connections with a certificate, and takes another one when its files have changed: connections that are there keep
/// the one that they have.
final class TLSKeeper: Sendable {
    /// By what it is seen that a file is another one.
    private struct Mark: Sendable, Hashable {
        var inode: UInt64 = 0
        var size: Int64 = 0
        var seconds: Int64 = 0
        var nanoseconds: Int64 = 0
    }

    private struct State: Sendable {
        var context: NIOSSLContext
        var marks: [Mark]
        var lookedAt: Int64
    }

    private let files: TLSFiles
    private let log: Logger
    private let state: Mutex<State>
    private let queue = DispatchQueue(label: "perch-certificates")
    /// The files are looked at no more often than this, when somebody connects.
    private let period: TimeSpan

    /// - Throws: `PerchError` that names the setting and the file, and shows nothing of the key.
    init(_ files: TLSFiles, log: Logger, period: TimeSpan = .seconds(5)) throws(PerchError) {
        self.files = files
        self.log = log
        self.period = period
        let marks = Self.marks(files)
        state = Mutex(State(context: try Self.context(files), marks: marks, lookedAt: Self.now))
    }

    /// What encrypts a new connection.
    func handler() -> NIOSSLServerHandler {
        let now = Self.now
        let (context, isDue) = state.withLock { state in
            let isDue = now - state.lookedAt >= period.microseconds
            if isDue { state.lookedAt = now }
            return (state.context, isDue)
        }
        if isDue { queue.async { self.look() } }
        return NIOSSLServerHandler(context: context)
    }

    /// Takes the certificate that is in the files by now. One that is wrong changes nothing.
    func look() {
        let marks = Self.marks(files)
        guard marks != state.withLock({ $0.marks }) else { return }
        do throws(PerchError) {
            let context = try Self.context(files)
            state.withLock { state in
                state.context = context
                state.marks = marks
            }
            log.info("the certificate was read anew", metadata: ["file": "\(files.certificate)"])
        } catch {
            // One of the two may have been written, and the other not yet.
            log.warning("the certificate stays as it was", metadata: ["error": "\(error.message)"])
        }
    }

    private static func context(_ files: TLSFiles) throws(PerchError) -> NIOSSLContext {
        let chain: [NIOSSLCertificate]
        do {
            chain = try NIOSSLCertificate.fromPEMFile(files.certificate)
        } catch {
            throw PerchError(
                .invalid, "api.tls_certificate: \(files.certificate) cannot be read as certificates in PEM")
        }
        let key: NIOSSLPrivateKey
        do {
            key = try NIOSSLPrivateKey(file: files.key, format: .pem)
        } catch {
            throw PerchError(
                .invalid, "api.tls_key: \(files.key) cannot be read as a private key in PEM, without a password")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(key))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do {
            return try NIOSSLContext(configuration: configuration)
        } catch {
            throw PerchError(.invalid, "api.tls_key: \(files.key) is not the key of \(files.certificate)")
        }
    }

    private static func marks(_ files: TLSFiles) -> [Mark] {
        [files.certificate, files.key].map { path in
            var status = stat()
            guard stat(path, &status) == 0 else { return Mark() }
            return Mark(
                inode: UInt64(status.st_ino), size: Int64(status.st_size), seconds: Int64(status.st_mtim.tv_sec),
                nanoseconds: Int64(status.st_mtim.tv_nsec))
        }
    }

    private static var now: Int64 { Int64(NIODeadline.now().uptimeNanoseconds / 1_000) }
}
