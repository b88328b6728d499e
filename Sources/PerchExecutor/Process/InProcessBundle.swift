// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchBundle
public import PerchSDK

/// A bundle in the engine's own process, for tests: the same messages over the same kind of socket, but no wall between.
public struct InProcessBundle: BundleLauncher {
    public let name: String
    public let mark = "PERCH_BUNDLE_MARK="
    private let dags: [DAG]
    private let clock: any PerchClock
    private let bundleVersion: String

    /// A launcher of these DAGs.
    public init(dags: [DAG], clock: any PerchClock, name: String = "default", bundleVersion: String = "in-process") {
        self.dags = dags
        self.clock = clock
        self.name = name
        self.bundleVersion = bundleVersion
    }

    /// Starts a host on threads of its own.
    public func launch() throws -> LaunchedBundle {
        var sockets: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &sockets) == 0 else {
            throw PerchError(.unavailable, "no socket for a bundle: \(String(cString: strerror(errno)))")
        }
        setNonblocking(sockets[0])
        let (dags, clock, bundleVersion, descriptor) = (dags, clock, bundleVersion, sockets[1])
        Task.detached {
            await BundleHost.run(
                dags: dags, descriptor: descriptor, clock: clock, bundleVersion: bundleVersion, conduct: .inProcess)
        }
        return LaunchedBundle(socket: sockets[0], process: nil)
    }
}
