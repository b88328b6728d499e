// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Glibc
import Testing

/// A socket at which somebody listens as a triggerer does, who gives one answer to every question, or never says anything.
final class InspectionDouble: Sendable {
    let path: String
    private let descriptor: Int32

    init(_ path: String, answer: String? = nil) throws {
        self.path = path
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        try #require(bound == 0 && listen(descriptor, 100) == 0)
        guard let answer else { return }
        DispatchQueue(label: "inspection-double").async { [descriptor] in
            while true {
                let connection = accept(descriptor, nil, nil)
                guard connection >= 0 else { return }
                var question = [UInt8](repeating: 0, count: 4_096)
                _ = recv(connection, &question, question.count, 0)
                let line = Array((answer + "\n").utf8)
                _ = Glibc.send(connection, line, line.count, Int32(MSG_NOSIGNAL))
                close(connection)
            }
        }
    }

    deinit {
        // Whoever accepts there is woken by it.
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }
}
