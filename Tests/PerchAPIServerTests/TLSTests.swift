// SPDX-License-Identifier: Apache-2.0

import Foundation
import Logging
import PerchMetastore
import PerchSDK
import ProgramTestSupport
import Testing

@testable import PerchAPIServer

/// Programs of this machine that make certificates and speak HTTPS.
private enum Tools {
    static let openssl = find("openssl")
    static let curl = find("curl")

    private static func find(_ name: String) -> String? {
        ["/usr/bin/", "/usr/local/bin/", "/bin/"].map { $0 + name }.first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }

    /// Runs one to its end, away from the test's thread.
    static func run(_ path: String?, _ arguments: [String]) async throws -> (code: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: try #require(path))
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = FileHandle.nullDevice
        try process.run()
        return await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                let data = pipe.fileHandleForReading.readDataToEndOfFile()
                process.waitUntilExit()
                continuation.resume(returning: (process.terminationStatus, String(decoding: data, as: UTF8.self)))
            }
        }
    }

    /// A certificate for this machine that has signed itself, and its key.
    static func certificate(in folder: Folder, _ name: String) async throws -> TLSFiles {
        let files = TLSFiles(certificate: "\(folder.path)/\(name).pem", key: "\(folder.path)/\(name).key")
        let made = try await run(
            openssl,
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                "-subj", "/CN=\(name)", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", files.key,
                "-out", files.certificate,
            ])
        #expect(made.code == 0)
        return files
    }
}

@Suite(
    "The API over encrypted connections",
    .enabled(if: Tools.openssl != nil && Tools.curl != nil, "openssl and curl are needed"), .timeLimit(.minutes(2)))
struct TLSTests {
    @Test("it is served with the certificate, by TLS 1.2 or newer, and to nobody who speaks plainly")
    func served() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let files = try await Tools.certificate(in: folder, "perch-test")
        let metastore = try Metastore.open(
            home: folder.path + "/home", access: .engine,
            clock: SetClock(Timestamp(microseconds: 1_790_000_000_000_000)))
        var configuration = try APIServer.Configuration(
            address: try ListenAddress(parsing: "127.0.0.1:0"), credentials: try Credentials(tokens: ["t viewer"]))
        configuration.tls = files
        let server = APIServer(
            configuration, metastore: metastore, log: Logger(label: "api", factory: { _ in SwiftLogNoOpLogHandler() }))
        let port = try await server.start().port
        await server.open()
        func curl(_ more: [String]) async throws -> (code: Int32, output: String) {
            try await Tools.run(
                Tools.curl,
                ["-sS", "--max-time", "20", "--cacert", files.certificate] + more + [
                    "https://localhost:\(port)/api/v2/version"
                ])
        }
        let token = ["-H", "Authorization: Bearer t"]
        let answer = try await curl(token + ["-i"])
        #expect(answer.code == 0 && answer.output.contains("200"), "\(answer)")
        #expect(answer.output.lowercased().contains("strict-transport-security"), "\(answer.output)")
        #expect(try await curl(token + ["--tls-max", "1.2"]).code == 0)
        #expect(try await curl(token + ["--tls-max", "1.1"]).code != 0)
        let refused = try await curl(["-i"])
        #expect(refused.code == 0 && refused.output.contains("401"), "\(refused)")
        let client = try WebClient(port: port)
        #expect(await client.request("GET /health") == nil)
        await server.stop()
        try metastore.close()
    }

    @Test("another certificate is taken when its files have changed, and one that is wrong is not")
    func reloaded() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let files = try await Tools.certificate(in: folder, "first")
        let other = try await Tools.certificate(in: folder, "second")
        let kept = KeptLog()
        let keeper = try TLSKeeper(files, log: Logger(label: "tls", factory: { _ in kept }))
        func replace(_ path: String, _ source: String) throws {
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.copyItem(atPath: source, toPath: path)
        }
        keeper.look()
        #expect(kept.text.isEmpty)
        try replace(files.certificate, other.certificate)
        keeper.look()
        #expect(kept.text.contains("stays as it was") && kept.text.contains("is not the key of"), "\(kept.text)")
        try replace(files.key, other.key)
        keeper.look()
        #expect(kept.text.contains("read anew"), "\(kept.text)")
    }

    @Test("files that are no certificate or no key are refused, and are not shown")
    func wrong() async throws {
        let folder = try Folder()
        defer { folder.remove() }
        let files = try await Tools.certificate(in: folder, "first")
        let log = Logger(label: "tls", factory: { _ in SwiftLogNoOpLogHandler() })
        try Data("hunter2".utf8).write(to: URL(filePath: folder.path + "/wrong"))
        for (wrong, setting) in [
            (TLSFiles(certificate: folder.path + "/wrong", key: files.key), "api.tls_certificate"),
            (TLSFiles(certificate: folder.path + "/none", key: files.key), "api.tls_certificate"),
            (TLSFiles(certificate: files.certificate, key: folder.path + "/wrong"), "api.tls_key"),
        ] {
            let error = #expect(throws: PerchError.self) { try TLSKeeper(wrong, log: log) }
            #expect(error?.message.hasPrefix(setting) == true && error?.message.contains("hunter2") == false)
        }
    }
}
