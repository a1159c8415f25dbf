package jsonschema

import "github.com/penstock/penstock/plugins/jackson"

// scanner reads with the settings of Confluent's Jackson: NaN and Infinity are numbers.
type scanner struct{ jackson.Scanner }

func scan(src []byte) scanner { return scanner{jackson.Scanner{Src: src, Words: true}} }
