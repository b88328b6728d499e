// SPDX-License-Identifier: Apache-2.0

import Foundation
import Glibc

/// A server that speaks TLS on a port of the loopback, with a certificate that it has signed itself: `openssl s_server`.
public final class TLSServer {
    /// The file of its certificate.
    public let certificate: String
    public let port: Int
    private let folder: URL
    private var server: Process?

    /// Whether this machine has the program.
    public static var isThere: Bool { access(tool, X_OK) == 0 }
    private static let tool = "/usr/bin/openssl"

    /// Starts a server whose certificate is valid for some days, for `localhost` and `127.0.0.1`.
    public init(days: Int = 2) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "perch-tls-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        certificate = folder.path + "/cert.pem"
        port = try Self.freePort()
        try serve(days: days)
    }

    /// Shows another certificate from now on, valid for so many days.
    public func renew(days: Int) throws {
        stop()
        try serve(days: days)
    }

    private func serve(days: Int) throws {
        let key = folder.path + "/key.pem"
        let maker = try prepare([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "\(days)", "-subj", "/CN=localhost", "-addext",
            "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate,
        ])
        try maker.run()
        maker.waitUntilExit()
        let server = try prepare([
            "s_server", "-accept", "127.0.0.1:\(port)", "-key", key, "-cert", certificate, "-www", "-quiet",
        ])
        server.standardInput = Pipe()
        try server.run()
        self.server = server
    }

    private func prepare(_ arguments: [String]) throws -> Process {
        let process = Process()
        process.executableURL = URL(filePath: Self.tool)
        process.arguments = arguments
        (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
        return process
    }

    /// A port on which nobody listened a moment ago.
    public static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 ? getsockname(descriptor, $0, &length) : -1
            }
        }
        guard result == 0 else { throw CocoaError(.fileReadUnknown) }
        return Int(UInt16(bigEndian: address.sin_port))
    }

    /// Ends the server.
    public func stop() {
        // It does not end by a gentler signal while a connection is open.
        if let server { kill(server.processIdentifier, SIGKILL) }
        server?.waitUntilExit()
        server = nil
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: folder)  // because what is left in /tmp fails no test
    }
}
