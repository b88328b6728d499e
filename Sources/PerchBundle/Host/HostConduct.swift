// SPDX-License-Identifier: Apache-2.0

internal import CLinux
internal import Glibc

/// What differs between a bundle that is a process of its own and one that lives in the engine's process, in tests.
public struct HostConduct: Sendable {
    /// Called on the reading thread the moment the engine hangs up.
    var onHangUp: @Sendable () -> Void
    /// Whether standard input and output are the host's to set up.
    var isProcess: Bool
    /// Called before each message that ends a dispatch.
    var flushOutput: @Sendable () -> Void

    /// A process of its own, that ends with everything it started when the engine is gone.
    public static let process = HostConduct(
        onHangUp: { clinux_end_session() }, isProcess: true, flushOutput: { fflush(nil) })

    /// A host beside the engine in one process: on hang-up it just stops.
    public static let inProcess = HostConduct(onHangUp: {}, isProcess: false, flushOutput: {})

    /// The variable that marks everything a bundle starts as its own, so that it can be ended after the bundle's death.
    public static let markVariable = "PERCH_BUNDLE_MARK"
}
