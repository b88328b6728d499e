// SPDX-License-Identifier: Apache-2.0

internal import PerchMetastore
internal import PerchSDK

/// What a task receives whose wait was fired by hand without an event.
enum HandMadeEvent {
    static func of(_ wait: WaitRow, now: Timestamp) -> JSONValue {
        .null
    }
}
