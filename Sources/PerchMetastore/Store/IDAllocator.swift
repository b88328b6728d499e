// SPDX-License-Identifier: Apache-2.0

/// Hands out 64-bit ids from blocks that it reserves in the metastore. Confined to the writer.
final class IDAllocator {
    private static let block: Int64 = 4096
    private var nextFree: Int64 = 0
    private var end: Int64 = 0

    /// `reserve` adds to the stored counter and gives its value afterwards.
    func next(reserve: (Int64) throws -> Int64) throws -> Int64 {
        if nextFree == end {
            let last = try reserve(Self.block)
            nextFree = last - Self.block + 1
            end = last + 1
        }
        defer { nextFree += 1 }
        return nextFree
    }

    /// After a rollback: the reservation may have been rolled back with it. Ids are lost by this, never given twice.
    func forgetBlock() {
        nextFree = 0
        end = 0
    }
}
