// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Runs code on a thread with as little stack as the engine's own threads have.
public enum SmallStack {
    private final class Box<Value: Sendable>: Sendable {
        let result = Mutex<Result<Value, any Error>?>(nil)
    }

    /// What the code gives or throws.
    public static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let (box, done) = (Box<Value>(), DispatchSemaphore(value: 0))
        let thread = Thread {
            let result = Result(catching: body)
            box.result.withLock { $0 = result }
            done.signal()
        }
        thread.stackSize = 1 << 20
        thread.start()
        done.wait()
        guard let result = box.result.withLock({ $0 }) else { throw FuzzFailure("the thread left nothing") }
        return try result.get()
    }
}
