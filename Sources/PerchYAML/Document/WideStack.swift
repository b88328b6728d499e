// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// Runs what calls itself as deep as its input is nested, on a thread with a stack for it.
///
/// The YAML parser goes as deep as 1,000 levels before this module can look at what it has read. That is more than the stack
/// of the engine's own threads holds.
enum WideStack {
    private static let size = 16 << 20

    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Returns when the code has.
    /// - Throws: `PerchError` (`unavailable`) where the system has no thread left.
    static func run(_ body: @escaping @Sendable () -> Void) throws(PerchError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, size)
        let work = Unmanaged.passRetained(Work(body))
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, &attributes,
            { argument in
                if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, work.toOpaque())
        guard failure == 0 else {
            work.release()
            throw PerchError(.unavailable, "no thread is left: \(String(cString: strerror(failure)))")
        }
        pthread_join(thread, nil)
    }
}
