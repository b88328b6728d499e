// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A connection to an engine's event socket.
final class EventSender: Sendable {
    private let descriptor: Int32

    init(path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard result == 0 else { throw BenchError("cannot connect to \(path)") }
    }

    deinit { close(descriptor) }

    /// Sends a line; the answer is left for the kernel's buffer.
    func send(_ line: String) throws {
        let bytes = Array((line + "\n").utf8)
        guard Foundation.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw BenchError("cannot send an event")
        }
    }
}

/// A byte to another thread and back through pipes: what a hop between processes costs at least.
enum PipeHop {
    /// Half of a round trip, the median, in ms.
    static func time() -> Double {
        var there: [Int32] = [0, 0]
        var back: [Int32] = [0, 0]
        guard pipe(&there) == 0, pipe(&back) == 0 else { return 0 }
        let (source, sink) = (there[0], back[1])
        Thread.detachNewThread {
            var byte: UInt8 = 0
            while read(source, &byte, 1) == 1 { write(sink, &byte, 1) }
            close(source)
            close(sink)
        }
        var times: [Double] = []
        var byte: UInt8 = 1
        for _ in 0..<500 {
            let start = Monotonic.nanoseconds
            write(there[1], &byte, 1)
            read(back[0], &byte, 1)
            times.append(Double(Monotonic.nanoseconds - start) / 2e6)
        }
        close(there[1])
        close(back[0])
        return times.sorted()[times.count / 2]
    }
}
