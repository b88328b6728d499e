// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchBundle
package import PerchOutputs
package import PerchReactor
package import PerchSDK

/// A bundle in the engine's own process, for tests: the same messages over the same kind of socket, but no wall
/// between.
package struct InProcessBundle: BundleLauncher {
    package let name: String
    package let mark = "PERCH_BUNDLE_MARK="
    private let dags: [DAG]
    private let triggers: [any AsyncTrigger.Type]
    private let clock: any PerchClock
    private let bundleVersion: String
    private let outputs: OutputKeeping?

    /// A launcher of these DAGs.
    package init(
        dags: [DAG], triggers: [any AsyncTrigger.Type] = [], clock: any PerchClock, name: String = "default",
        bundleVersion: String = "in-process", outputs: OutputKeeping? = nil
    ) {
        self.dags = dags
        self.triggers = triggers
        self.clock = clock
        self.name = name
        self.bundleVersion = bundleVersion
        self.outputs = outputs
    }

    /// Starts a host on threads of its own.
    package func launch(loop: any EventLoop, callbacks: BundleCallbacks) throws -> any BundleLink {
        var sockets: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard socketpair(AF_UNIX, type, 0, &sockets) == 0 else {
            throw PerchError(.unavailable, "no socket for a bundle: \(String(cString: strerror(errno)))")
        }
        setNonblocking(sockets[0])
        let (dags, triggers, clock, bundleVersion, outputs) = (dags, triggers, clock, bundleVersion, outputs)
        let descriptor = sockets[1]
        Task.detached {
            await BundleHost.run(
                dags: dags, triggers: triggers, descriptor: descriptor, clock: clock, bundleVersion: bundleVersion,
                conduct: .inProcess, outputs: outputs)
        }
        return try BundleConnection(
            LaunchedBundle(socket: sockets[0], process: nil), loop: loop, callbacks: callbacks)
    }
}
