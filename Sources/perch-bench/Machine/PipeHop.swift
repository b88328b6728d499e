// SPDX-License-Identifier: Apache-2.0

import Foundation

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
