// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Where a metastore's work is done: its groups one after another, its reads beside them. Threads in production; a
/// simulation puts each on its own place in virtual time.
package protocol MetastoreRunner: Sendable {
    /// To be called once, before anything else. After each `wakeWriter`, `commitNext` is called until it gives false,
    /// never twice at once.
    func start(commitNext: @escaping @Sendable () -> Bool)
    /// There is something to commit.
    func wakeWriter()
    /// Runs a read, soon and on no caller's thread.
    func read(_ work: @escaping @Sendable () -> Void)
    /// Returns when everything is committed that was there before; `commitNext` is called no more.
    func stop()
}

/// A thread for the writer, a queue for reads.
///
/// Unchecked, because every stored variable is guarded by `condition`.
final class ThreadedRunner: MetastoreRunner, @unchecked Sendable {
    private let condition = NSCondition()
    private var isRung = false
    private var isOver = false
    private var isStarted = false
    private let finished = DispatchSemaphore(value: 0)
    private let readers = DispatchQueue(label: "perch-readers", attributes: .concurrent)

    func start(commitNext: @escaping @Sendable () -> Bool) {
        condition.lock()
        isStarted = true
        condition.unlock()
        let thread = Thread { [self] in work(commitNext) }
        thread.name = "perch-writer"
        thread.stackSize = 1 << 20
        thread.start()
    }

    func wakeWriter() {
        condition.lock()
        isRung = true
        condition.signal()
        condition.unlock()
    }

    func read(_ work: @escaping @Sendable () -> Void) {
        readers.async(execute: work)
    }

    func stop() {
        condition.lock()
        let mustWait = isStarted && !isOver
        isOver = true
        condition.signal()
        condition.unlock()
        if mustWait { finished.wait() }
    }

    private func work(_ commitNext: () -> Bool) {
        var isLast = false
        while !isLast {
            condition.lock()
            while !isRung, !isOver { condition.wait() }
            isRung = false
            isLast = isOver
            condition.unlock()
            while commitNext() {}
        }
        finished.signal()
    }
}
