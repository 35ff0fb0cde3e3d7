package digitalposttest

import (
	"encoding/json"
	"net/http"
)

// errorMessage is NgDP's ErrorMessage.
type errorMessage struct {
	Code        string       `json:"code"`
	Message     string       `json:"message"`
	FieldErrors []fieldError `json:"fieldErrors"`
}

type fieldError struct {
	Resource string `json:"resource"`
	Field    string `json:"field"`
	Code     string `json:"code"`
	Message  string `json:"message"`
}

func refuse(w http.ResponseWriter, status int, code string) {
	answer(w, status, errorOf(code))
}

func answer[T any](w http.ResponseWriter, status int, body T) {
	text, err := json.Marshal(body)
	if err != nil { // our own types always marshal
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the caller has gone; it asks again
}
