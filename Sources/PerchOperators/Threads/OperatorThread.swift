// SPDX-License-Identifier: Apache-2.0

internal import Glibc
internal import PerchSDK

/// A thread for an operator that blocks.
enum OperatorThread {
    private final class Start {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs what blocks, and gives what it gives. A cancellation of the Swift task calls `stop`; this returns once the body
    /// has ended all the same.
    ///
    /// - Parameter what: What it is for, for the error where no thread is left.
    static func run<Value: Sendable>(
        _ what: String, _ body: @escaping @Sendable () throws -> Value, stop: @Sendable () -> Void
    ) async throws -> Value {
        let answer = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<Value, any Error>, Never>) in
                let isStarted = start { continuation.resume(returning: Result { try body() }) }
                if !isStarted {
                    let error = PerchError(.unavailable, "no thread is left for \(what)")
                    continuation.resume(returning: .failure(error))
                }
            }
        } onCancel: {
            stop()
        }
        // Not a throwing continuation: where one throws, optimized code of Swift 6.3 goes on off the caller's actor.
        return try answer.get()
    }

    /// The same for a body that looks at a signal.
    static func run<Value: Sendable>(
        _ what: String, _ body: @escaping @Sendable (StopSignal) throws -> Value
    ) async throws -> Value {
        let signal = try StopSignal()
        return try await run(what, { try body(signal) }, stop: { signal.raise() })
    }

    /// False where the system has no thread left.
    static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
        let box = Unmanaged.passRetained(Start(body))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 1 << 20)
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
                return nil
            }, box.toOpaque())
        if failure != 0 { box.release() }
        return failure == 0
    }
}
