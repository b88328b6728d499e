// SPDX-License-Identifier: Apache-2.0

/// What a child process has printed until its end.
package struct CollectedOutput: Sendable {
    package var output: [UInt8] = []
    package var errors: [UInt8] = []
    /// More was printed than is kept: it was read, and is not here.
    package var isCut = false
    package var status = ExitStatus.code(0)

    fileprivate mutating func take(_ bytes: [UInt8], isError: Bool, longest: Int) {
        let room = longest - (isError ? errors.count : output.count)
        if bytes.count > room { isCut = true }
        if isError { errors += bytes.prefix(room) } else { output += bytes.prefix(room) }
    }
}

extension ChildProcess {
    /// Waits for its end, and gives what it printed. What it leaves running is ended. Blocks; its descriptors stay open.
    ///
    /// - Parameters:
    ///   - timeout: How long it may take, in microseconds of the machine's time; it is killed afterwards.
    ///   - longest: How much of each of its outputs is kept, in bytes.
    /// - Returns: Nil where it had to be killed.
    package func collect(timeout: Int64, longest: Int) -> CollectedOutput? {
        let limit = ChildReader.monotonic() + timeout
        var collected = CollectedOutput()
        var reader = ChildReader(self)
        while true {
            switch reader.next(until: limit) {
            case .output(let bytes): collected.take(bytes, isError: false, longest: longest)
            case .error(let bytes): collected.take(bytes, isError: true, longest: longest)
            case .ended(let status):
                collected.status = status
                return collected
            case .silence:
                end()
                // The one that was killed ends at once.
                while true { if case .ended = reader.next(until: .max) { return nil } }
            }
        }
    }
}
